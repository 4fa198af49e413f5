"""What happened in a run as actions of an RO-Crate: the run, the call of each step, and the orchestrator's part."""

from collections.abc import Iterable
from dataclasses import dataclass

from ops_orchestrator.runs.record import LOGS, RESULTS, Results, RunRecord, StepRecord
from ops_orchestrator.runs.reports.crate_files import CrateFiles
from ops_orchestrator.runs.reports.entities import Entity, action_status, crate_time, entity, local_id, ref, refs

OPERATOR = "#operator"
"""Who had the run executed."""

ORCHESTRATOR = "#orchestrator"
"""The software that executed the plan."""

RUN = "#run"
"""The execution of the plan."""


@dataclass(frozen=True)
class Outline:
    """The identifiers that the actions of a run refer to; `modules` has that of each step's module."""

    plan: str
    inputs: list[str]
    outputs: list[str]
    modules: list[str]


def step_id(step: StepRecord) -> str:
    """The identifier of a step of the plan."""
    return local_id("steps", str(step.step))


def call_id(step: StepRecord) -> str:
    """The identifier of the call of a step's module."""
    return local_id("calls", str(step.step))


def actions(record: RunRecord, results: Results, files: CrateFiles, outline: Outline) -> list[Entity]:
    """The action of the run, those of its steps, and that of the orchestrator, which controlled them."""
    controls = [_control(record, step) for step in record.steps]
    calls = [
        _call(record, step, module, files, _artifacts(results, step, files))
        for step, module in zip(record.steps, outline.modules, strict=True)
    ]
    return [_run(record, files, outline), *calls, *controls, _organize(record, controls)]


def _run(record: RunRecord, files: CrateFiles, outline: Outline) -> Entity:
    logs = [] if record.status == "completed" else files.present(LOGS)
    return entity(
        RUN,
        "CreateAction",
        {
            "name": f"Run of {record.scenario_id}",
            "description": f"{record.run_id} executed the plan of {record.scenario_id} and {_ended(record)}.",
            **_outcome(record.status, record.started_at, record.finished_at, _message(record)),
            "agent": ref(OPERATOR),
            "instrument": ref(outline.plan),
            "object": refs(outline.inputs),
            "result": refs([*files.present(RESULTS), *outline.outputs, *logs]),
        },
    )


def _call(record: RunRecord, step: StepRecord, module: str, files: CrateFiles, artifacts: Iterable[str]) -> Entity:
    logs = [] if step.status == "completed" else files.present(LOGS)
    began = step.status != "pending"
    tried = f" in {step.attempts} attempts" if step.attempts > 1 else ""
    done = f"{step.module} was asked to {step.action}{tried}" if began else f"{step.module} was not called"
    return entity(
        call_id(step),
        "CreateAction",
        {
            "name": f"Call of {step.module} in step {step.step}",
            "description": f"{done}; the step {step.id} is {step.status}.",
            **_step_outcome(record, step),
            "agent": ref(OPERATOR),
            "instrument": ref(module),
            "object": refs(files.of_step(step, "request", "mapped-request")),
            "result": refs([*files.of_step(step, "result", "response"), *artifacts, *logs]),
        },
    )


def _control(record: RunRecord, step: StepRecord) -> Entity:
    return entity(
        local_id("controls", str(step.step)),
        "ControlAction",
        {
            "name": f"Control of step {step.step}",
            "instrument": ref(step_id(step)),
            "object": ref(call_id(step)),
            **_step_outcome(record, step),
        },
    )


def _organize(record: RunRecord, controls: Iterable[Entity]) -> Entity:
    return entity(
        "#orchestration",
        "OrganizeAction",
        {
            "name": "Orchestration of the run",
            "instrument": ref(ORCHESTRATOR),
            "object": refs(str(control["@id"]) for control in controls),
            "result": ref(RUN),
            **_outcome(record.status, record.started_at, record.finished_at, _message(record)),
            "agent": ref(OPERATOR),
        },
    )


def _step_outcome(record: RunRecord, step: StepRecord) -> Entity:
    if step.status == "pending":
        return {"actionStatus": action_status("pending")}
    error = None if step.status == "completed" else str(step.error["message"]) if step.error else _message(record)
    return _outcome(step.status, step.started_at, step.finished_at or record.finished_at, error)


def _outcome(status: str, started_at: str | None, ended_at: str | None, error: str | None) -> Entity:
    return {
        "startTime": crate_time(started_at),
        "endTime": crate_time(ended_at),
        "actionStatus": action_status(status),
        "error": error,
    }


def _message(record: RunRecord) -> str | None:
    if record.status == "completed":
        return None
    return str(record.error["message"]) if record.error else f"the run is {record.status}"


def _ended(record: RunRecord) -> str:
    times = f" after {record.attempt} attempts" if record.attempt > 1 else ""
    return f"ended as {record.status}{times}"


def _artifacts(results: Results, step: StepRecord, files: CrateFiles) -> list[str]:
    found = results.steps.get(step.id)
    return files.present(*(artifact.path for artifact in found.artifacts if artifact.path)) if found else []
