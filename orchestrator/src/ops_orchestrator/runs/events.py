"""What happens in a run, one frozen class a kind. Log, record, progress and answers are made from events and nothing else.

An event holds plain data and refers to files by path, SHA-256 and size. Its fields are those of its line in logs.jsonl.
"""

import time
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from typing import Annotated, ClassVar, Final, Literal, get_args

from ops_contract import sha256_hex
from ops_orchestrator.exchange import Exchange
from ops_orchestrator.runs.comparison.grades import Grade
from ops_orchestrator.runs.document_fields import Array, Error, FewEntries, Objects, RequestObject, TraceParent
from ops_orchestrator.runs.json_text import json_line
from ops_orchestrator.runs.run_file import FileRef

Status = Literal["queued", "running", "completed", "failed", "errored", "cancelled", "interrupted"]
"""Run status: `failed` is a module's failure, `errored` ours, `interrupted` means that the service stopped."""

ENDED: Final = frozenset({"completed", "failed", "errored", "cancelled", "interrupted"})
"""The statuses of runs that are over."""

NOT_OVER: Final = ("queued", "running")
"""Those of runs that are not."""

Level = Literal["info", "warning", "error"]
"""How serious an event is."""


@dataclass(frozen=True, slots=True)
class ExchangeRecord:
    """Where a step's request went and what came back; the bodies stand in `steps/`."""

    method: str
    url: str
    status: int
    request_sha256: str
    response_sha256: str

    @classmethod
    def of(cls, exchange: Exchange) -> "ExchangeRecord":
        """The exchange without its bodies."""
        return cls(exchange.method, exchange.url, exchange.status, exchange.request_sha256, exchange.response_sha256)


@dataclass(frozen=True, slots=True)
class Reproduction:
    """How a run reproduces another one, and what came of it once it is over.

    `modules` are those of the other run's record or those that are registered; `offline` says that they were not called, and
    that the recorded answers stand in for theirs. Numbers may differ by `rel`, relative, or `abs`. `grade` is the worst of
    `steps`, None until all is compared, and `cause` says in words what differs and why.
    """

    modules: Literal["recorded", "current"] = "recorded"
    offline: bool = False
    rel: float = 0.0
    abs: float = 0.0
    grade: Grade | None = None
    steps: Annotated[dict[str, Grade], FewEntries] = field(default_factory=dict)
    cause: str = ""

    def ungraded(self) -> "Reproduction":
        """How the run is reproduced, without what came of it."""
        return replace(self, grade=None, steps={}, cause="")


@dataclass(frozen=True, slots=True)
class Origin:
    """What a run was started for: the id of the run that it reproduces, and how, or that of the sweep that it belongs to.

    `traceparent` is the span of the caller, see `read_traceparent`.
    `caller` is the name of the key with which it was asked for, None where none was needed.
    """

    reproduces: str | None = None
    sweep: str | None = None
    reproduction: Reproduction | None = None
    traceparent: str | None = None
    caller: str | None = None


NO_ORIGIN: Final = Origin()
"""That of a run that somebody wanted for itself."""


@dataclass(frozen=True, slots=True)
class PlannedModule:
    """What a step of the plan is made with, besides the version that its module states."""

    id: str
    module: str
    action: str
    image_digest: str | None = None
    adapter: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunQueued:
    """A plan was made and its run exists: the first event of each run.

    `modules_sha256` is that of modules.json, `idempotency_key` the SHA-256 of the caller's key; `reproduces`, `reproduction`,
    `sweep`, `traceparent` and `caller` are those of its Origin.
    """

    name: ClassVar = "run.queued"
    level: ClassVar[Level] = "info"
    request: RequestObject
    plan: Objects
    steps: Array[PlannedModule]
    versions: Annotated[dict[str, str | None], FewEntries]
    modules_sha256: str
    idempotency_key: str | None = None
    reproduces: str | None = None
    sweep: str | None = None
    reproduction: Reproduction | None = None
    traceparent: TraceParent | None = None
    durability: str = "sync"
    caller: str | None = None

    @property
    def message(self) -> str:
        """The sentence of the log line."""
        return f"run of {self.request['scenario_id']!r} queued{_by(self.caller)}: {', '.join(step.id for step in self.steps)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """The execution of a run begins. `executor` says which process executes it."""

    name: ClassVar = "run.started"
    level: ClassVar[Level] = "info"
    executor: str
    attempt: int = 1

    @property
    def message(self) -> str:
        """The sentence of the log line."""
        return "run started" if self.attempt == 1 else f"run started again, attempt {self.attempt}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResumed:
    """A run that was over, or left, goes on; its completed steps are kept, and `files` are those that earlier attempts left.

    `caller` is the name of the key of whoever resumed it, None where none was needed, and when the service did it by itself.
    """

    name: ClassVar = "run.resumed"
    level: ClassVar[Level] = "info"
    attempt: int
    files: tuple[FileRef, ...] = ()
    durability: str = "sync"
    caller: str | None = None

    @property
    def message(self) -> str:
        """The sentence of the log line."""
        return f"run resumed{_by(self.caller)}, attempt {self.attempt}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStarted:
    """A step begins; its module may not be ready yet."""

    name: ClassVar = "step.started"
    level: ClassVar[Level] = "info"
    step: str
    module: str
    url: str
    ready_timeout_s: float
    image_digest: str | None = None

    @property
    def message(self) -> str:
        """The sentence of the log line."""
        return f"step {self.step} started"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleReady:
    """The step's module can be called."""

    name: ClassVar = "module.ready"
    level: ClassVar[Level] = "info"
    step: str
    module: str
    waited_s: float
    module_version: str | None = None
    contract_versions: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        """The sentence of the log line."""
        return f"{self.module}{f' {self.module_version}' if self.module_version else ''} is ready"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFailed:
    """A call that took `took_s` seconds failed in a way that may pass; the next attempt follows after `retry_in_s` seconds."""

    name: ClassVar = "step.retry"
    level: ClassVar[Level] = "warning"
    step: str
    module: str
    attempt: int
    error: Error
    retry_in_s: float
    took_s: float | None = None
    exchange: ExchangeRecord | None = None
    files: tuple[FileRef, ...] = ()

    @property
    def message(self) -> str:
        """The sentence of the log line."""
        return f"attempt {self.attempt} failed, trying again: {self.error['message']}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCompleted:
    """A module answered as it should; `files` has its result, its exchange and its artifacts.

    `result` is the fingerprint of what it found, `artifacts` the names of all, kept or not; the last attempt took `took_s`
    seconds.
    """

    name: ClassVar = "step.completed"
    step: str
    module: str
    attempts: int
    exchange: ExchangeRecord
    result: str
    took_s: float | None = None
    module_version: str | None = None
    warnings: tuple[str, ...] = ()
    synthetic: bool = False
    artifacts: tuple[str, ...] = ()
    files: tuple[FileRef, ...] = ()

    @property
    def level(self) -> Level:
        """A step with warnings is one."""
        return "warning" if self.warnings else "info"

    @property
    def message(self) -> str:
        """The sentence of the log line."""
        count = len(self.warnings)
        warned = f", {count} warning{'s' * (count > 1)}: {self.warnings[0]}" if count else ""
        return f"step {self.step} completed{warned}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFailed:
    """A module did not do its step; the plan ends here. `exchange` is there when a whole answer came back.

    The last attempt took `took_s` seconds, which is None when it is that of the event before, or the module was not called.
    """

    name: ClassVar = "step.failed"
    level: ClassVar[Level] = "error"
    step: str
    module: str
    attempts: int
    error: Error
    took_s: float | None = None
    exchange: ExchangeRecord | None = None
    files: tuple[FileRef, ...] = ()

    @property
    def message(self) -> str:
        """The sentence of the log line."""
        return f"step {self.step} failed: {self.error['message']}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCancelling:
    """Somebody asked to cancel the run: `by` says how, and `caller` is the name of their key, None where none was needed."""

    name: ClassVar = "run.cancelling"
    level: ClassVar[Level] = "warning"
    by: str
    caller: str | None = None

    @property
    def message(self) -> str:
        """The sentence of the log line."""
        return f"run is being cancelled{_by(self.caller)}: {self.by}"


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """What two runs share: `recipe` when they are the same experiment, `result` when they found the same."""

    recipe: str | None = None
    result: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded:
    """The run is over; nothing of it changes any more, unless it is resumed. `error` is as in the answer.

    `reproduction` is there with its grade when the run reproduces another one and was compared with it.
    """

    name: ClassVar = "run.ended"
    status: Status
    error: Error | None = None
    fingerprints: Fingerprints = Fingerprints()
    reproduction: Reproduction | None = None

    @property
    def level(self) -> Level:
        """A run that did not complete is an error."""
        return "info" if self.status == "completed" else "error"

    @property
    def message(self) -> str:
        """The sentence of the log line."""
        graded = f", its results are {self.reproduction.grade}" if self.reproduction else ""
        return f"run {self.status}{graded}"


Occurrence = (
    RunQueued
    | RunStarted
    | RunResumed
    | StepStarted
    | ModuleReady
    | AttemptFailed
    | StepCompleted
    | StepFailed
    | RunCancelling
    | RunEnded
)
"""Any of the above."""

_FIELDS: Final = {kind.name: tuple(each.name for each in fields(kind)) for kind in get_args(Occurrence)}


@dataclass(frozen=True, slots=True)
class Unknown:
    """An event of a kind that this version does not know; it changes nothing."""

    name: str


def _by(caller: str | None) -> str:
    return "" if caller is None else f" by {caller}"


def now() -> str:
    """The time: RFC 3339 in UTC with milliseconds."""
    milliseconds = time.time_ns() // 1_000_000
    return f"{_second(milliseconds // 1000)}.{milliseconds % 1000:03}Z"


# An event takes 1.3 us with it and 3.4 us without.
@lru_cache(maxsize=1)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened in a run: `what`, and when (RFC 3339). `seq` counts from 1 within the run, without gaps."""

    run_id: str
    seq: int
    what: Occurrence | Unknown
    at: str = field(default_factory=now)

    def as_line(self, previous_sha256: str | None = None) -> bytes:
        """The event as it stands in logs.jsonl: what every line has, and the event's own fields, less the empty ones.

        `previous_sha256` is that of the line before, see `line_sha256`; the first line has none.
        """
        what = self.what
        assert not isinstance(what, Unknown)  # noqa: S101  # it is only read
        line = {
            "seq": self.seq,
            "timestamp": self.at,
            "level": what.level,
            "service": "orchestrator",
            "run_id": self.run_id,
            "event": what.name,
            "message": what.message,
        }
        for name in _FIELDS[what.name]:
            value = getattr(what, name)
            # What can be empty has that as its default, and is read back so.
            if value is not None and value != ():
                line[name] = value
        if previous_sha256 is not None:
            line["previous_sha256"] = previous_sha256
        return json_line(line)


def line_sha256(line: bytes) -> str:
    """The SHA-256 by which the next line of a log refers to `line`: that of its bytes without the newline."""
    return sha256_hex(line.removesuffix(b"\n"))


def interrupted() -> RunEnded:
    """How a run ends whose service stops."""
    message = "the service stopped before the run was over; go on with `ops runs resume`, or start it again"
    return RunEnded(status="interrupted", error={"code": "INTERRUPTED", "message": message})
