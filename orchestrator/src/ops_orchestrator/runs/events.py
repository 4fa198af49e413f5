"""What happens in a run. The runner yields events; record, log, progress and answers are made from them and nothing else."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

from ops_contract import SuccessEnvelope
from ops_orchestrator.errors import Failure
from ops_orchestrator.exchange import Exchange
from ops_orchestrator.modules.answer import Readiness, ReceivedArtifact
from ops_orchestrator.planning.scenario import Scenario
from ops_orchestrator.planning.steps import Plan, Step

Status = Literal["running", "completed", "failed", "errored", "cancelled", "interrupted"]
"""Run status: `failed` is a module's failure, `errored` ours, `interrupted` means that the service stopped."""

Level = Literal["info", "warning", "error"]
"""How serious an event is."""


@dataclass(frozen=True, kw_only=True)
class RunStarted:
    """A plan was made and its execution begins."""

    name: ClassVar = "run.started"
    level: ClassVar[Level] = "info"
    scenario: Scenario
    plan: Plan
    versions: dict[str, str | None]

    def describe(self) -> tuple[str, dict[str, Any]]:
        """The sentence and the fields of the log line."""
        steps = ", ".join(step.id for step in self.plan.steps)
        return f"run of {self.scenario.scenario_id!r} started: {steps}", {"scenario_id": self.scenario.scenario_id}


@dataclass(frozen=True, kw_only=True)
class StepStarted:
    """A step begins; its module may not be ready yet."""

    name: ClassVar = "step.started"
    level: ClassVar[Level] = "info"
    step: Step

    def describe(self) -> tuple[str, dict[str, Any]]:
        """The sentence and the fields of the log line."""
        module = self.step.module
        fields = {"url": module.address, "ready_timeout_s": module.ready_timeout_s}
        return f"step {self.step.number} {self.step.id} started", _of(self.step) | fields


@dataclass(frozen=True, kw_only=True)
class ModuleReady:
    """The step's module can be called."""

    name: ClassVar = "module.ready"
    level: ClassVar[Level] = "info"
    step: Step
    readiness: Readiness
    waited_s: float

    def describe(self) -> tuple[str, dict[str, Any]]:
        """The sentence and the fields of the log line."""
        version = self.readiness.version
        fields = {"module_version": version, "waited_s": round(self.waited_s, 3)}
        return f"{self.step.module.name}{f' {version}' if version else ''} is ready", _of(self.step) | fields


@dataclass(frozen=True, kw_only=True)
class AttemptFailed:
    """A call failed in a way that may pass; the next attempt follows after `retry_in_s` seconds."""

    name: ClassVar = "step.retry"
    level: ClassVar[Level] = "warning"
    step: Step
    attempt: int
    failure: Failure
    retry_in_s: float

    def describe(self) -> tuple[str, dict[str, Any]]:
        """The sentence and the fields of the log line."""
        fields = {"attempt": self.attempt, "code": self.failure.code, "retry_in_s": round(self.retry_in_s, 3)}
        return f"attempt {self.attempt} failed, trying again: {self.failure.message}", _of(self.step) | fields


@dataclass(frozen=True, kw_only=True)
class StepCompleted:
    """A module answered as it should. `artifacts` are as received; `envelope` has all the rest."""

    name: ClassVar = "step.completed"
    step: Step
    attempts: int
    exchange: Exchange
    envelope: SuccessEnvelope
    artifacts: tuple[ReceivedArtifact, ...]
    fingerprint: str

    @property
    def level(self) -> Level:
        """How bad the step is."""
        return "warning" if self.envelope.warnings else "info"

    def describe(self) -> tuple[str, dict[str, Any]]:
        """The sentence and the fields of the log line."""
        fields = {"attempts": self.attempts, "result": self.fingerprint, "warnings": list(self.envelope.warnings)}
        names = [artifact.ref.name for artifact in self.artifacts]
        count = len(self.envelope.warnings)
        warned = f", {count} warning{'s' * (count > 1)}: {self.envelope.warnings[0]}" if count else ""
        return f"step {self.step.number} {self.step.id} completed{warned}", _of(self.step) | fields | {"artifacts": names}


@dataclass(frozen=True, kw_only=True)
class StepFailed:
    """A module did not do its step; the plan ends here. `exchange` is there when a whole answer came back."""

    name: ClassVar = "step.failed"
    level: ClassVar[Level] = "error"
    step: Step
    attempts: int
    failure: Failure
    exchange: Exchange | None

    def describe(self) -> tuple[str, dict[str, Any]]:
        """The sentence and the fields of the log line."""
        fields = {"attempts": self.attempts, "error": self.failure.as_json()}
        return f"step {self.step.number} {self.step.id} failed: {self.failure.message}", _of(self.step) | fields


@dataclass(frozen=True, kw_only=True)
class RunEnded:
    """The run is over; nothing of it will change any more. `error` is as in the answer."""

    name: ClassVar = "run.ended"
    status: Status
    error: dict[str, Any] | None = None

    @property
    def level(self) -> Level:
        """A run that did not complete is an error."""
        return "info" if self.status == "completed" else "error"

    def describe(self) -> tuple[str, dict[str, Any]]:
        """The sentence and the fields of the log line."""
        return f"run {self.status}", {"status": self.status} | ({"error": self.error} if self.error else {})


Occurrence = RunStarted | StepStarted | ModuleReady | AttemptFailed | StepCompleted | StepFailed | RunEnded
"""Any of the above."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened in a run: `what` and when. `seq` counts from 1 within the run, without gaps."""

    run_id: str
    seq: int
    what: Occurrence
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def as_json(self) -> dict[str, Any]:
        """The event as a line of logs.jsonl: what every line has, and the event's own fields."""
        message, fields = self.what.describe()
        return {
            "seq": self.seq,
            "timestamp": timestamp(self.at),
            "level": self.what.level,
            "service": "orchestrator",
            "run_id": self.run_id,
            "event": self.what.name,
            "message": message,
            **fields,
        }

    def as_line(self) -> bytes:
        """The event as it stands in logs.jsonl."""
        return json_line(self.as_json())


def json_line(value: dict[str, Any]) -> bytes:
    """A value as one line of JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def interrupted() -> RunEnded:
    """How a run ends whose service stops."""
    error = {"code": "INTERRUPTED", "message": "the service stopped during the run; start it again"}
    return RunEnded(status="interrupted", error=error)


def timestamp(at: datetime) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _of(step: Step) -> dict[str, Any]:
    return {"step": step.id, "module": step.module.name}
