"""The run record: run.json and results.json as models, made by folding events."""

import mimetypes
from datetime import datetime
from itertools import islice
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

from ops_contract import ArtifactRef, Evidence, NumberError
from ops_orchestrator.exchange import Exchange
from ops_orchestrator.planning.steps import Step
from ops_orchestrator.runs.document_fields import Array, Error, FewEntries, FlatResults, Objects, RequestObject, Time
from ops_orchestrator.runs.events import (
    Event,
    ModuleReady,
    RunEnded,
    RunStarted,
    Status,
    StepCompleted,
    StepFailed,
    StepStarted,
    timestamp,
)
from ops_orchestrator.runs.provenance import recipe_fingerprint, result_fingerprint

RECORD: Final = "run.json"
RESULTS: Final = "results.json"
LOGS: Final = "logs.jsonl"
MANIFEST: Final = "manifest-sha256.txt"
ARTIFACTS: Final = "artifacts"
STEPS: Final = "steps"
_MOST_LABELS: Final = 32
_LONGEST_LABEL: Final = 300


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class ExchangeRecord(_Document):
    """Where a step's request went and what came back; the bodies stand in `steps/`."""

    method: str
    url: str
    status: int
    request_sha256: str
    response_sha256: str

    @classmethod
    def of(cls, exchange: Exchange) -> "ExchangeRecord":
        """The exchange without its bodies."""
        names = ("method", "url", "status", "request_sha256", "response_sha256")
        return cls(**{name: getattr(exchange, name) for name in names})


class StepRecord(_Document):
    """One step of run.json. Times are RFC 3339 in UTC; `synthetic` says that its module calls some of its figures made up."""

    step: int
    id: str
    module: str
    action: str
    status: Literal["pending", "running", "completed", "failed", "interrupted"] = "pending"
    started_at: Time | None = None
    finished_at: Time | None = None
    attempts: int = 0
    module_version: str | None = None
    contract_versions: Array[str] = ()
    image_digest: str | None = None
    adapter: str | None = None
    exchange: ExchangeRecord | None = None
    result: str | None = None
    warnings: Array[str] = ()
    synthetic: bool = False
    error: Error | None = None


class Fingerprints(_Document):
    """What two runs share: `recipe` when they are the same experiment, `result` when they found the same."""

    recipe: str | None = None
    result: str | None = None


class RunRecord(_Document):
    """run.json: request, plan, what happened, and pointers to the rest of the folder."""

    run_id: str
    status: Status
    request: RequestObject
    plan: Objects
    started_at: Time
    finished_at: Time | None = None
    idempotency_key: str | None = None
    versions: Annotated[dict[str, str | None], FewEntries]
    steps: Array[StepRecord]
    fingerprints: Fingerprints = Fingerprints()
    results: str = RESULTS
    logs: str = LOGS
    artifacts: str = f"{ARTIFACTS}/"
    manifest: str = MANIFEST
    error: Error | None = None

    @model_validator(mode="after")
    def _steps_are_numbered(self) -> Self:
        if [step.step for step in self.steps] != [*range(1, len(self.steps) + 1)]:
            raise ValueError("steps must be numbered 1, 2, 3 and so on")
        return self

    @property
    def scenario_id(self) -> str:
        """The scenario that was run."""
        return str(self.request["scenario_id"])

    @property
    def labels(self) -> dict[str, str]:
        """The labels that the run was given; a record may be foreign, and what no scenario can have is left out."""
        labels = self.request["run_options"].get("labels")
        few = islice(labels.items(), _MOST_LABELS) if isinstance(labels, dict) else ()
        return {key: value for key, value in few if isinstance(value, str) and len(key) + len(value) <= _LONGEST_LABEL}

    def summary(self) -> dict[str, Any]:
        """The run in a list of runs."""
        fields = self.model_dump(mode="json", include={"run_id", "status", "started_at", "finished_at", "fingerprints"})
        return fields | {
            "scenario_id": self.scenario_id,
            "modules": [step.module for step in self.steps],
            "labels": self.labels,
            "warnings": sum(len(step.warnings) for step in self.steps),
            "synthetic": any(step.synthetic for step in self.steps),
        }


class ArtifactRecord(ArtifactRef):
    """A stored artifact. `path` is relative to the run folder, None when only the hash was kept."""

    path: str | None

    @property
    def ref(self) -> ArtifactRef:
        """The artifact as the contract names it."""
        return ArtifactRef(name=self.name, media_type=self.media_type, size_bytes=self.size_bytes, sha256=self.sha256)


class StepResults(_Document):
    """The full form of what a step answered."""

    module: str
    outputs: dict[str, Any]
    artifacts: Array[ArtifactRecord]
    evidence: Array[Evidence]
    warnings: Array[str]

    def flat(self) -> dict[str, Any]:
        """The seed's form: outputs at the top level, plus the names of the artifacts."""
        return {**self.outputs, "artifacts": [artifact.name for artifact in self.artifacts]}


class Results(_Document):
    """results.json: per step the seed's flat form and, under `steps`, the full one."""

    run_id: str
    scenario_id: str
    results: Annotated[FlatResults, FewEntries] = {}
    steps: Annotated[dict[str, StepResults], FewEntries] = {}


def artifacts_folder(step_id: str) -> str:
    """Where a step's artifacts are stored, relative to the run folder."""
    return f"{ARTIFACTS}/{step_id}"


def response_name(media_type: str) -> str:
    """The name of the file in a step's folder that keeps an answer of `media_type`."""
    return f"response{mimetypes.guess_extension(media_type) or '.bin'}"


def response_type(path: str) -> str | None:
    """The media type of a file of a step's folder that keeps an answer; None for another file."""
    if not path.rpartition("/")[2].startswith("response."):
        return None
    return mimetypes.guess_type(path)[0] or "application/octet-stream"


def step_folder(number: int, step_id: str) -> str:
    """Where a step's exchange is stored, relative to the run folder."""
    return f"{STEPS}/{number}-{step_id}"


class RunState:
    """One run as it grows: apply its events, from RunStarted on, and read `record`, `results` and `seq`, the last number."""

    def __init__(self, run_id: str, started: RunStarted, at: datetime) -> None:
        self.seq = 0
        self.record = _opened(run_id, started, at)
        self.results = Results(run_id=run_id, scenario_id=started.scenario.scenario_id)

    def apply(self, event: Event) -> None:
        """Take in one event."""
        self.seq = event.seq
        match event.what:
            case StepStarted(step=step):
                self._change(step, status="running", started_at=timestamp(event.at))
            case ModuleReady(step=step, readiness=readiness):
                self._change(step, module_version=readiness.version, contract_versions=readiness.contract_versions)
            case StepCompleted():
                self._complete(event.what, timestamp(event.at))
            case StepFailed(step=step, exchange=exchange):
                self._change(
                    step,
                    status="failed",
                    finished_at=timestamp(event.at),
                    attempts=event.what.attempts,
                    exchange=exchange and ExchangeRecord.of(exchange),
                    error=event.what.failure.as_json(),
                )
            case RunEnded():
                self.record = ended(self.record, event.what, event.at)

    def _complete(self, completed: StepCompleted, finished_at: str) -> None:
        step = completed.step
        self._change(
            step,
            status="completed",
            finished_at=finished_at,
            attempts=completed.attempts,
            # Modules that do not follow the contract often state their version in the answer only.
            module_version=completed.envelope.version or self.record.steps[step.number - 1].module_version,
            exchange=ExchangeRecord.of(completed.exchange),
            result=completed.fingerprint,
            warnings=completed.envelope.warnings,
            synthetic=any(item.synthetic for item in completed.envelope.evidence),
        )
        results = _step_results(completed)
        self.results = self.results.model_copy(
            update={
                "results": {**self.results.results, step.id: results.flat()},
                "steps": {**self.results.steps, step.id: results},
            }
        )

    def _change(self, step: Step, **changes: Any) -> None:
        steps = list(self.record.steps)
        steps[step.number - 1] = steps[step.number - 1].model_copy(update=changes)
        self.record = self.record.model_copy(update={"steps": tuple(steps)})


def ended(record: RunRecord, what: RunEnded, at: datetime) -> RunRecord:
    """The record of a run that ended at `at`; a step that was under way was interrupted."""
    steps = (step.model_copy(update={"status": "interrupted"}) if step.status == "running" else step for step in record.steps)
    return record.model_copy(
        update={
            "status": what.status,
            "finished_at": timestamp(at),
            "error": what.error,
            "steps": tuple(steps),
            "fingerprints": _fingerprints(record, what.status),
        }
    )


def _fingerprints(record: RunRecord, status: Status) -> Fingerprints:
    # Of a module that was never reached the version is not known, and a recipe with a gap would match others by accident.
    known = all(step.module_version is not None or step.status == "completed" for step in record.steps)
    modules = {step.id: _made_with(step) for step in record.steps}
    results = {step.id: step.result for step in record.steps if step.result is not None}
    return Fingerprints(
        recipe=_recipe(record, modules) if known else None,
        result=result_fingerprint(results) if status == "completed" else None,
    )


def _recipe(record: RunRecord, modules: dict[str, Any]) -> str | None:
    try:
        return recipe_fingerprint(record.request, record.plan, modules)
    except NumberError:
        # The planner refuses such numbers, so the record was not written by it.
        return None


def _made_with(step: StepRecord) -> dict[str, Any]:
    made = {"module": step.module, "version": step.module_version, "image_digest": step.image_digest}
    return made | ({"adapter": step.adapter} if step.adapter else {})


def _opened(run_id: str, started: RunStarted, at: datetime) -> RunRecord:
    return RunRecord(
        run_id=run_id,
        status="running",
        request=started.scenario.as_json(),
        plan=started.plan.as_json(),
        started_at=timestamp(at),
        versions=started.versions,
        steps=tuple(
            StepRecord(
                step=step.number,
                id=step.id,
                module=step.module.name,
                action=step.action,
                image_digest=step.module.image_digest,
                adapter=step.module.adapter.fingerprint(step.action) if step.module.adapter else None,
            )
            for step in started.plan.steps
        ),
    )


def _step_results(completed: StepCompleted) -> StepResults:
    envelope = completed.envelope
    return StepResults(
        module=envelope.module,
        outputs=envelope.outputs,
        artifacts=tuple(
            ArtifactRecord(
                **artifact.ref.model_dump(),
                path=None if artifact.content is None else f"{artifacts_folder(completed.step.id)}/{artifact.ref.name}",
            )
            for artifact in completed.artifacts
        ),
        evidence=envelope.evidence,
        warnings=envelope.warnings,
    )
