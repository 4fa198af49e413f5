"""What happens in a run. The runner yields these; record, log, progress and answers are made of them and of nothing else."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

from ops_contract import SuccessEnvelope
from ops_orchestrator.errors import Failure
from ops_orchestrator.exchange import Exchange
from ops_orchestrator.modules.answer import ReceivedArtifact
from ops_orchestrator.modules.readiness import Readiness
from ops_orchestrator.planning.scenario import Scenario
from ops_orchestrator.planning.steps import Plan, Step

Status = Literal["running", "completed", "failed", "errored", "cancelled", "interrupted"]
"""Run status: `failed` is a module's doing, `errored` ours, `interrupted` means that the service stopped."""


def now() -> datetime:
    """The current time in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class RunStarted:
    """A plan was made and its execution begins."""

    name: ClassVar = "run.started"
    run_id: str
    scenario: Scenario
    plan: Plan
    versions: dict[str, str | None]
    at: datetime = field(default_factory=now)

    def describe(self) -> tuple[str, dict[str, Any]]:
        """The sentence and the fields of the log line."""
        steps = ", ".join(step.id for step in self.plan.steps)
        return f"run of {self.scenario.scenario_id!r} started: {steps}", {"scenario_id": self.scenario.scenario_id}


@dataclass(frozen=True, kw_only=True)
class StepStarted:
    """A step's turn has come; its module may not be ready yet."""

    name: ClassVar = "step.started"
    step: Step
    at: datetime = field(default_factory=now)

    def describe(self) -> tuple[str, dict[str, Any]]:
        """The sentence and the fields of the log line."""
        return f"step {self.step.number} {self.step.id} started", _of(self.step) | {"url": self.step.module.url}


@dataclass(frozen=True, kw_only=True)
class ModuleReady:
    """The step's module can be called."""

    name: ClassVar = "module.ready"
    step: Step
    readiness: Readiness
    waited_s: float
    at: datetime = field(default_factory=now)

    def describe(self) -> tuple[str, dict[str, Any]]:
        """The sentence and the fields of the log line."""
        version = self.readiness.version
        fields = {"module_version": version, "waited_s": round(self.waited_s, 3)}
        return f"{self.step.module.name}{f' {version}' if version else ''} is ready", _of(self.step) | fields


@dataclass(frozen=True, kw_only=True)
class AttemptFailed:
    """A call failed in a way that may pass; it is made again after `retry_in_s` seconds."""

    name: ClassVar = "step.retry"
    step: Step
    attempt: int
    failure: Failure
    retry_in_s: float
    at: datetime = field(default_factory=now)

    def describe(self) -> tuple[str, dict[str, Any]]:
        """The sentence and the fields of the log line."""
        fields = {"attempt": self.attempt, "code": self.failure.code, "retry_in_s": round(self.retry_in_s, 3)}
        return f"attempt {self.attempt} failed, trying again: {self.failure.message}", _of(self.step) | fields


@dataclass(frozen=True, kw_only=True)
class StepCompleted:
    """A module answered as it should, and its artifacts are what they claim to be.

    `artifacts` are those that were received; the envelope is kept for all the rest.
    """

    name: ClassVar = "step.completed"
    step: Step
    attempts: int
    exchange: Exchange
    envelope: SuccessEnvelope
    artifacts: tuple[ReceivedArtifact, ...]
    fingerprint: str
    at: datetime = field(default_factory=now)

    def describe(self) -> tuple[str, dict[str, Any]]:
        """The sentence and the fields of the log line."""
        fields = {"attempts": self.attempts, "result": self.fingerprint, "warnings": list(self.envelope.warnings)}
        names = [artifact.ref.name for artifact in self.artifacts]
        return f"step {self.step.number} {self.step.id} completed", _of(self.step) | fields | {"artifacts": names}


@dataclass(frozen=True, kw_only=True)
class StepFailed:
    """A module did not do its step; the plan ends here."""

    name: ClassVar = "step.failed"
    step: Step
    attempts: int
    failure: Failure
    exchange: Exchange | None
    at: datetime = field(default_factory=now)

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
    at: datetime = field(default_factory=now)

    def describe(self) -> tuple[str, dict[str, Any]]:
        """The sentence and the fields of the log line."""
        return f"run {self.status}", {"status": self.status} | ({"error": self.error} if self.error else {})


def interrupted() -> RunEnded:
    """How a run ends, now, with the service."""
    error = {"code": "INTERRUPTED", "message": "the service stopped during the run; start it again"}
    return RunEnded(status="interrupted", error=error)


Event = RunStarted | StepStarted | ModuleReady | AttemptFailed | StepCompleted | StepFailed | RunEnded
"""Any of the above."""


def log_line(event: Event, run_id: str) -> dict[str, Any]:
    """The event as one line of logs.jsonl: timestamp, level, service, run_id, event, message, and its own fields."""
    message, fields = event.describe()
    return {
        "timestamp": timestamp(event.at),
        "level": _level(event),
        "service": "orchestrator",
        "run_id": run_id,
        "event": event.name,
        "message": message,
        **fields,
    }


def timestamp(at: datetime) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _level(event: Event) -> str:
    match event:
        case RunEnded(status="completed"):
            return "info"
        case StepFailed() | RunEnded():
            return "error"
        case AttemptFailed():
            return "warning"
        case _:
            return "info"


def _of(step: Step) -> dict[str, Any]:
    return {"step": step.id, "module": step.module.name}
