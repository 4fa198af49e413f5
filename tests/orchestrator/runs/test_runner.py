import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import httpx2
import pytest
from scripted_module import EVIDENCE, Answer, ClientFor, Gate, ScriptedModule, artifact, demo, error_envelope, success

from ops_contract import SuccessEnvelope
from ops_orchestrator.errors import StoreError
from ops_orchestrator.modules.adapters.declaration import Adapter
from ops_orchestrator.modules.call import UpstreamAnswer
from ops_orchestrator.modules.catalogue import Catalogue
from ops_orchestrator.modules.client import ModuleClient
from ops_orchestrator.modules.module import Module
from ops_orchestrator.planning.planner import plan
from ops_orchestrator.planning.scenario import Scenario
from ops_orchestrator.runs.events import (
    AttemptFailed,
    ExchangeRecord,
    ModuleReady,
    Occurrence,
    RunEnded,
    StepCompleted,
    StepFailed,
)
from ops_orchestrator.runs.record import StepResults
from ops_orchestrator.runs.run_file import RunFile
from ops_orchestrator.runs.runner import Earlier, Runner

RETRYABLE = httpx2.Response(503, json=error_envelope(code="BUSY", message="busy", retryable=True))
FINAL = httpx2.Response(422, json=error_envelope())


@dataclass
class Happened:
    """What was emitted, or returned at the end."""

    what: Occurrence
    files: Sequence[RunFile] = ()
    results: StepResults | None = None


async def happened_in(
    client: ModuleClient, scenario: Scenario, catalogue: Catalogue, staging: Path | None = None, earlier: Earlier | None = None
) -> list[Happened]:
    """Everything that happens in a run."""
    happened: list[Happened] = []

    async def emit(what: Occurrence, files: Sequence[RunFile] = (), results: StepResults | None = None) -> None:
        happened.append(Happened(what, files, results))

    ended = await Runner(client, staging, emit).execute("run-1", scenario, plan(scenario, catalogue), earlier)
    return [*happened, Happened(ended)]


async def events_of(client: ModuleClient, module: Module, staging: Path | None = None, **inputs: Any) -> list[Occurrence]:
    """Everything that happens in a run of the one module, without its files."""
    happened = await happened_in(client, demo(module.name, **inputs), Catalogue({module.name: module}), staging)
    return [each.what for each in happened]


Kind = TypeVar("Kind")


def only(kind: type[Kind], events: list[Occurrence]) -> Kind:
    (found,) = [event for event in events if isinstance(event, kind)]
    return found


async def test_run_of_two_steps_emits_its_events_in_order(
    client_for: ClientFor, catalogue: Catalogue, scenario: Scenario
) -> None:
    client = client_for(ScriptedModule(), ScriptedModule("beta"))
    events = await happened_in(client, scenario, catalogue)
    names = ["step.started", "module.ready", "step.completed"] * 2
    assert [event.what.name for event in events] == [*names, "run.ended"]


async def test_step_with_warnings_says_so_in_the_log(client_for: ClientFor, catalogue: Catalogue) -> None:
    client = client_for(
        ScriptedModule(answers=[success(warnings=["half of the data is missing", "and old"], evidence=EVIDENCE)])
    )
    completed = (await happened_in(client, demo("alpha"), catalogue))[2].what
    assert completed.level == "warning"
    assert completed.message == "step alpha completed, 2 warnings: half of the data is missing"


async def test_outputs_artifacts_and_evidence_of_a_step_reach_the_next_as_upstream(
    client_for: ClientFor, catalogue: Catalogue, scenario: Scenario
) -> None:
    evidence = [{"id": "e1", "kind": "dataset", "title": "Census", "supports": ["/kpis"]}]
    alpha = ScriptedModule(answers=[success(artifacts=[artifact("a.txt")], evidence=evidence)])
    beta = ScriptedModule("beta")
    await happened_in(client_for(alpha, beta), scenario, catalogue)
    upstream = json.loads(beta.executed[0].content)["upstream"]["alpha"]
    assert upstream["outputs"] == {"kpis": {"growth": 0.02}}
    assert upstream["artifacts"] == [{key: artifact("a.txt")[key] for key in ("name", "media_type", "size_bytes", "sha256")}]
    assert upstream["evidence"] == evidence


async def test_step_whose_answer_is_given_is_not_called_and_reaches_the_next_as_upstream(
    client_for: ClientFor, catalogue: Catalogue, scenario: Scenario
) -> None:
    alpha, beta = ScriptedModule(), ScriptedModule("beta")
    envelope = SuccessEnvelope(status="success", module="alpha", outputs={"kept": 1})
    given = {"alpha": UpstreamAnswer(envelope, (), None)}
    events = await happened_in(client_for(alpha, beta), scenario, catalogue, earlier=Earlier(given))
    assert alpha.executed == []
    assert json.loads(beta.executed[0].content)["upstream"]["alpha"]["outputs"] == {"kept": 1}
    assert [event.what.name for event in events] == ["step.started", "module.ready", "step.completed", "run.ended"]
    assert given.keys() == {"alpha"}


async def test_retryable_answer_is_tried_again_with_the_same_body(client_for: ClientFor, module: Module) -> None:
    alpha = ScriptedModule(answers=[RETRYABLE, httpx2.ReadError("reset"), success()])
    events = await events_of(client_for(alpha), module)
    assert only(StepCompleted, events).attempts == 3
    assert len({request.content for request in alpha.executed}) == 1
    assert [event.attempt for event in events if isinstance(event, AttemptFailed)] == [1, 2]


async def test_step_fails_when_its_retries_are_used_up(client_for: ClientFor, module: Module) -> None:
    alpha = ScriptedModule(answers=[RETRYABLE])
    failed = only(StepFailed, await events_of(client_for(alpha), module))
    assert (failed.attempts, len(alpha.executed)) == (3, 3)
    assert failed.error["message"] == "alpha answers BUSY: busy"


@pytest.mark.parametrize("answer", [FINAL, success("beta"), httpx2.Response(200, content=b"<html>")])
async def test_answer_that_is_not_retryable_is_not_tried_again(
    client_for: ClientFor, module: Module, answer: httpx2.Response
) -> None:
    alpha = ScriptedModule(answers=[answer])
    failed = only(StepFailed, await events_of(client_for(alpha), module))
    assert (failed.attempts, len(alpha.executed)) == (1, 1)


async def test_artifact_that_cannot_be_had_at_first_is_had_at_the_next_attempt(client_for: ClientFor, module: Module) -> None:
    alpha = ScriptedModule(answers=[success(artifacts=[artifact("a.txt", href="a.txt")])])
    fetches = iter([httpx2.Response(503), httpx2.Response(200, content=b"figures")])
    alpha.files["/a.txt"] = lambda _: next(fetches)
    assert only(StepCompleted, await events_of(client_for(alpha), module)).attempts == 2


async def test_what_a_failed_attempt_fetched_is_not_kept(client_for: ClientFor, module: Module, tmp_path: Path) -> None:
    both = [artifact("a.txt", href="a"), artifact("b.txt", href="b")]
    alpha = ScriptedModule(answers=[success(artifacts=both)])
    alpha.files = {"/a": httpx2.Response(200, content=b"figures"), "/b": httpx2.Response(200, content=b"figurez")}
    assert only(StepFailed, await events_of(client_for(alpha), module, tmp_path)).error["requirement"] == "OPS-ART-003"
    assert not any(os.scandir(tmp_path))


async def test_backoff_doubles_from_attempt_to_attempt(client_for: ClientFor, module: Module) -> None:
    patient = module.model_copy(update={"backoff_s": 0.001, "retries": 3})
    events = await events_of(client_for(ScriptedModule(answers=[RETRYABLE])), patient)
    pauses = [event.retry_in_s for event in events if isinstance(event, AttemptFailed)]
    # Each within its jitter of a fifth: 1, 2, 4 ms.
    assert [pytest.approx(pause, rel=0.25) for pause in pauses] == [0.001, 0.002, 0.004]


async def test_module_that_does_not_finish_in_time_fails_its_step_and_is_not_asked_again(
    client_for: ClientFor, module: Module
) -> None:
    gate = Gate()
    alpha = ScriptedModule(answers=[gate])
    failed = only(StepFailed, await events_of(client_for(alpha), module.model_copy(update={"timeout_s": 0.5})))
    assert failed.error["code"] == "MODULE_TIMEOUT"
    assert "alpha did not finish within 0.5 s" in failed.error["message"]
    assert len(alpha.executed) == 1


@pytest.mark.parametrize("alpha", [ScriptedModule(health=[Gate()]), ScriptedModule(answers=[Gate()])], ids=["health", "answer"])
async def test_step_that_runs_out_of_time_names_the_bound_that_ended_it(
    client_for: ClientFor, module: Module, alpha: ScriptedModule
) -> None:
    hasty = module.model_copy(update={"step_timeout_s": 0.2, "ready_timeout_s": 600.0, "timeout_s": 600.0})
    failed = only(StepFailed, await events_of(client_for(alpha), hasty))
    assert failed.error["code"] == "MODULE_TIMEOUT"
    assert failed.error["message"].startswith("alpha was not done with its step within 0.2 s, ")
    assert "raise its step_timeout_s in modules.yaml" in failed.error["message"]


async def test_step_that_runs_out_of_time_while_its_artifacts_come_keeps_the_answer(
    client_for: ClientFor, module: Module
) -> None:
    alpha = ScriptedModule(answers=[success(artifacts=[artifact("a.txt", href="a")])], files={"/a": Gate()})
    hasty = module.model_copy(update={"step_timeout_s": 0.2, "timeout_s": 600.0})
    failed = only(StepFailed, await events_of(client_for(alpha), hasty))
    assert failed.error["message"].startswith("alpha was not done with its step within 0.2 s, ")
    assert failed.exchange is not None


async def test_step_that_runs_out_of_time_waits_no_longer_for_a_module_without_a_health_check(
    client_for: ClientFor, module: Module
) -> None:
    declared = {"health": "none", "actions": {"execute": {"path": "/execute", "outputs": "{}"}}}
    options = {"adapter": Adapter.model_validate(declared), "step_timeout_s": 0.2, "ready_timeout_s": 5.0}
    alpha = ScriptedModule(answers=[httpx2.ConnectError("refused")])
    failed = only(StepFailed, await events_of(client_for(alpha), module.model_copy(update=options)))
    assert failed.error["message"].startswith("alpha was not done with its step within 0.2 s, ")


def test_step_has_time_for_all_of_its_parts_unless_it_is_given_another(module: Module) -> None:
    slow = module.model_copy(update={"timeout_s": 60.0, "ready_timeout_s": 30.0, "retries": 2})
    assert slow.step_time_s == 30 + 3 * 60 + 2 * 30
    assert slow.model_copy(update={"step_timeout_s": 7.0}).step_time_s == 7


async def test_module_that_restarts_in_the_middle_is_waited_for_and_recorded_again(
    client_for: ClientFor, module: Module
) -> None:
    alpha = ScriptedModule(answers=[httpx2.ReadError("reset"), success()])
    starting: list[Answer] = [httpx2.ConnectError("refused"), httpx2.Response(503), httpx2.ConnectError("refused")]
    restarted = httpx2.Response(200, json=alpha.healthy(version="2.0.0"))
    alpha.health = [httpx2.Response(200, json=alpha.healthy()), *starting, restarted]
    events = await events_of(client_for(alpha), module.model_copy(update={"ready_timeout_s": 600.0, "retries": 1}))
    assert only(StepCompleted, events).attempts == 2
    assert [event.module_version for event in events if isinstance(event, ModuleReady)] == ["1.2.3", "2.0.0"]


async def test_module_that_does_not_come_back_fails_its_step_as_one_that_never_came(
    client_for: ClientFor, module: Module
) -> None:
    alpha = ScriptedModule(answers=[httpx2.ReadError("reset")])
    alpha.health = [httpx2.Response(200, json=alpha.healthy()), httpx2.ConnectError("Connection refused")]
    failed = only(StepFailed, await events_of(client_for(alpha), module.model_copy(update={"ready_timeout_s": 0.1})))
    assert (failed.error["code"], failed.attempts) == ("MODULE_NOT_READY", 1)


@pytest.mark.parametrize(("timeout_s", "deadline_s"), [(60.0, 59.0), (2.0, 1.0), (1.5, 0.75)])
async def test_module_is_given_less_time_than_is_waited_for_it(
    client_for: ClientFor, module: Module, timeout_s: float, deadline_s: float
) -> None:
    alpha = ScriptedModule()
    await events_of(client_for(alpha), module.model_copy(update={"timeout_s": timeout_s}))
    assert json.loads(alpha.executed[0].content)["options"]["deadline_s"] == deadline_s


async def test_module_that_is_not_ready_yet_is_polled_until_it_is(client_for: ClientFor, module: Module) -> None:
    alpha = ScriptedModule()
    alpha.health = [
        httpx2.ConnectError("refused"),
        httpx2.Response(503),
        httpx2.Response(200, json=alpha.healthy(version="2.0.0")),
    ]
    events = await events_of(client_for(alpha), module.model_copy(update={"ready_timeout_s": 600.0}))
    assert only(ModuleReady, events).module_version == "2.0.0"
    assert isinstance(events[-2], StepCompleted)


async def test_module_that_never_gets_ready_fails_its_step_without_a_call(client_for: ClientFor, module: Module) -> None:
    alpha = ScriptedModule(health=[httpx2.ConnectError("Connection refused")])
    failed = only(StepFailed, await events_of(client_for(alpha), module.model_copy(update={"ready_timeout_s": 0.1})))
    assert failed.error["code"] == "MODULE_NOT_READY"
    assert failed.error["message"].startswith(
        "alpha was not ready within 0.1 s: alpha cannot be reached at http://alpha.test/health"
    )
    assert (failed.attempts, alpha.executed) == (0, [])


async def test_module_whose_health_check_hangs_is_given_up_and_named(client_for: ClientFor, module: Module) -> None:
    alpha = ScriptedModule(health=[Gate()])
    failed = only(StepFailed, await events_of(client_for(alpha), module.model_copy(update={"ready_timeout_s": 0.1})))
    assert failed.error["code"] == "MODULE_NOT_READY"
    assert "alpha did not answer http://alpha.test/health within 1 s" in failed.error["message"]


async def test_wrong_module_behind_an_address_is_not_waited_for(client_for: ClientFor, module: Module) -> None:
    alpha = ScriptedModule()
    alpha.health = [httpx2.Response(200, json=alpha.healthy(module="beta"))]
    failed = only(StepFailed, await events_of(client_for(alpha), module.model_copy(update={"ready_timeout_s": 3600.0})))
    assert "'beta' answers there" in failed.error["message"]


@pytest.mark.parametrize("number", [2**53, -(2**60)])
async def test_number_that_json_cannot_carry_fails_the_step_with_its_pointer(
    client_for: ClientFor, module: Module, number: int
) -> None:
    alpha = ScriptedModule(answers=[success(outputs={"kpis": {"people": number}})])
    error = only(StepFailed, await events_of(client_for(alpha), module)).error
    assert (error["code"], error["requirement"]) == ("INVALID_ANSWER", "OPS-EXE-004")
    assert f"/outputs/kpis/people: the integer {number}" in error["message"]


async def test_failed_step_keeps_the_exchange_that_failed_it_and_those_of_earlier_attempts(
    client_for: ClientFor, module: Module
) -> None:
    client = client_for(ScriptedModule(answers=[RETRYABLE, FINAL]))
    happened = await happened_in(client, demo("alpha"), Catalogue({"alpha": module}), Path("unused"))
    (failed,) = [each for each in happened if isinstance(each.what, StepFailed)]
    (retried,) = [each for each in happened if isinstance(each.what, AttemptFailed)]
    kept = {file.ref.path: json.loads(cast("bytes", file.content)) for each in (retried, failed) for file in each.files}
    assert kept["steps/1-alpha/response.json"] == error_envelope()
    assert kept["steps/1-alpha/attempts/1/response.json"]["error"]["code"] == "BUSY"
    assert kept["steps/1-alpha/request.json"] == kept["steps/1-alpha/attempts/1/request.json"]
    assert isinstance(failed.what, StepFailed)
    assert [file.path for file in failed.what.files] == [file.ref.path for file in failed.files]
    assert failed.what.exchange == ExchangeRecord(
        method="POST",
        url="http://alpha.test/execute",
        status=422,
        request_sha256=failed.files[0].ref.sha256,
        response_sha256=failed.files[1].ref.sha256,
    )


async def test_failure_ends_the_run_with_the_step_s_name(client_for: ClientFor, module: Module) -> None:
    events = await events_of(client_for(ScriptedModule(answers=[FINAL])), module)
    ended = events[-1]
    assert isinstance(ended, RunEnded)
    assert ended.error is not None
    assert (ended.status, ended.error["step"], ended.error["module"]) == ("failed", "alpha", "alpha")


async def test_large_answer_is_read_like_a_small_one(client_for: ClientFor, module: Module) -> None:
    alpha = ScriptedModule(answers=[success(outputs={"table": ["x" * 100] * 5000})])
    client = client_for(alpha, response_bytes=10_000_000)
    happened = await happened_in(client, demo("alpha"), Catalogue({"alpha": module}))
    assert [len(each.results.outputs["table"]) for each in happened if each.results] == [5000]


async def test_event_that_cannot_be_kept_ends_the_run_before_the_next_module(
    client_for: ClientFor, catalogue: Catalogue
) -> None:
    alpha, beta = ScriptedModule(), ScriptedModule("beta")
    scenario = demo("alpha", "beta")

    async def emit(what: Occurrence, _files: Sequence[RunFile] = (), _results: StepResults | None = None) -> None:
        if isinstance(what, StepCompleted):
            raise StoreError("no room")

    with pytest.raises(StoreError, match="no room"):
        await Runner(client_for(alpha, beta), None, emit).execute("run-1", scenario, plan(scenario, catalogue))
    assert (len(alpha.executed), beta.requests) == (1, [])
