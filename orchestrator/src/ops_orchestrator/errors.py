"""Everything that can go wrong, by whose fault it is.

OrchestratorError
├── ConfigurationError       the operator's: settings or modules.yaml
├── RequestError             the caller's: answered as a problem document with `status`
│   ├── InvalidRequestError      400/413/415/422, with pointers
│   ├── UnknownModuleError       422, lists the registered ones
│   ├── UnknownActionError       422, lists those of the module
│   ├── ChangedModuleError       409, modules.yaml lacks what a run needs to go on
│   ├── BadModulesFileError      409, modules.yaml is read again and cannot be used
│   ├── PinnedVersionError       409, a module is not the version that a run insists on
│   ├── NotFoundError            404, a run or one of its documents
│   ├── ReusedKeyError           422, an idempotency key came with another request
│   ├── ConflictError            409, the run's status does not allow it
│   │   ├── UnderWayError            409, somebody executes it
│   │   └── SweepConflictError       409, the sweep's status does not allow it
│   ├── AccessError              400/401/403/429/503, the caller may not do this, or cannot say who it is
│   ├── ReadOnlyError            403, the service only reads
│   ├── NoRoomError              507, there is no room for another run
│   ├── BusyError                503, no run can be started now
│   └── UnresponsiveError        503, the process that executes a run hangs
├── StepError                a module's: ends the step as failed; `failure` says how
├── NetworkError             a module's: no whole response arrived; the module client makes a StepError of it
├── ResponseTooLargeError    a module's: its response exceeds a limit; the module client makes a StepError of it
├── ExpressionError          a declaration's: it cannot be read (ConfigurationError) or evaluated (StepError)
├── StoreError               ours: the run store cannot be read or written
│   ├── DamagedRunError          a stored run cannot be read; all others can
│   ├── DamagedSweepError        a file of a sweep cannot be used
│   ├── FencedError              another process has taken the run or the sweep over; whoever wrote it stops
│   └── OtherKeyError            a run is signed with a key that this process does not have
├── RunExistsError           ours: a new run's id is taken
├── ArchiveError             a zip file's: runs cannot be taken from it, or not be put into one
├── CannotReachError         the command line's: no orchestrator answers
└── RefusedError             the command line's: the orchestrator answered with a problem document
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

from ops_contract import Problem
from ops_orchestrator.excerpt import excerpt
from ops_orchestrator.exchange import Exchange

UNREACHABLE: Final = "MODULE_UNREACHABLE"
"""The code of a step's failure when no whole answer came over the connection."""

_MOST_CHARACTERS: Final = 1_000
_MOST_QUOTED: Final = 500
_MOST_AROUND: Final = 60


def _place(text: str, position: int | None) -> str:
    """Where in the expression `text` something is, with the whole of it, or of a long one what is around."""
    if not position:
        return f"in {excerpt(text, _MOST_AROUND)!r}"
    if len(text) > _MOST_QUOTED:
        around = text[max(position - _MOST_AROUND, 0) : position + _MOST_AROUND]
        return f"at character {position} of {len(text):,}, at {around!r}"
    before = text[: position - 1]
    if "\n" not in text.strip():
        return f"at character {position} of {text!r}"
    number, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    line = text.splitlines()[number - 1]
    return f"at character {column} of line {number}, {line!r}, of {' '.join(text.split())!r}"


class OrchestratorError(Exception):
    """Base of every error that the orchestrator raises on purpose."""


class ConfigurationError(OrchestratorError):
    """Settings or modules.yaml cannot be used; the message says where and what to write instead."""


class RequestError(OrchestratorError):
    """A request that cannot be served; becomes an RFC 9457 problem document."""

    status: int = 400
    slug: str = "bad-request"
    title: str = "The request cannot be served"

    def __init__(self, detail: str, problems: Sequence[Problem] = (), problem_count: int | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.problems = tuple(problems)
        self.problem_count = len(self.problems) if problem_count is None else problem_count


class InvalidRequestError(RequestError):
    """The request does not follow the interface; `status` distinguishes bad JSON from a wrong shape."""

    slug = "invalid-request"
    title = "The request is not valid"

    def __init__(
        self, detail: str, problems: Sequence[Problem] = (), problem_count: int | None = None, *, status: int = 422
    ) -> None:
        super().__init__(detail, problems, problem_count)
        self.status = status


class UnknownModuleError(RequestError):
    """A plan names a module that modules.yaml does not register."""

    status = 422
    slug = "unknown-module"
    title = "A module is not registered"


class UnknownActionError(RequestError):
    """A plan asks a module for an action that modules.yaml does not declare."""

    status = 422
    slug = "unknown-action"
    title = "A module has no such action"


class ChangedModuleError(RequestError):
    """A run cannot go on, since a module needs what modules.yaml does not have any more."""

    status = 409
    slug = "changed-module"
    title = "A module is not registered as the run needs it"


class BadModulesFileError(RequestError):
    """modules.yaml was to be read again and cannot be used; what was registered before stays."""

    status = 409
    slug = "bad-modules-file"
    title = "modules.yaml cannot be used"


class PinnedVersionError(RequestError):
    """A run is not started, since a module has another version or image than the run pins."""

    status = 409
    slug = "pinned-version"
    title = "A module is not the one that is pinned"


class NotFoundError(RequestError):
    """There is no such run, or the run has no such document. `listed_at` is the service's path that lists what there is.

    The service's answers name that path, and the command line has commands of its own.
    """

    status = 404
    slug = "not-found"
    title = "There is no such thing"

    def __init__(self, detail: str, listed_at: str = "") -> None:
        super().__init__(detail)
        self.listed_at = listed_at


class ConflictError(RequestError):
    """A run cannot be cancelled or resumed as it is now, or nothing can be made of it yet."""

    status = 409
    slug = "conflict"
    title = "The run's status does not allow this"


class UnderWayError(ConflictError):
    """A run that is to be resumed is still being executed; `status` says how far it is."""

    def __init__(self, run_id: str, status: str) -> None:
        super().__init__(
            f"{run_id} is {status}: only a run that is over can be resumed; "
            f"wait for it, or cancel it first: `ops runs cancel {run_id}`."
        )


class SweepConflictError(ConflictError):
    """A sweep cannot be cancelled or resumed as it is now."""

    title = "The sweep's status does not allow this"


class ReusedKeyError(RequestError):
    """An idempotency key came with another request than the first one."""

    status = 422
    slug = "reused-key"
    title = "The idempotency key belongs to another request"


class BusyError(RequestError):
    """As many runs as allowed are running, or the service is stopping."""

    status = 503
    slug = "busy"
    title = "No run can be started now"


class ReadOnlyError(RequestError):
    """Something was to be changed, and the service only reads."""

    status = 403
    slug = "read-only"
    title = "The service only reads"

    def __init__(self) -> None:
        super().__init__(
            "It shows runs, and starts, changes and removes none, since OPS_READ_ONLY is set. Send this to the service that "
            "executes runs."
        )


class NoRoomError(RequestError):
    """The disk has too little room for another run, or the store takes as much as it may."""

    status = 507
    slug = "no-room"
    title = "There is no room for another run"


class UnresponsiveError(RequestError):
    """The process of this service that executes a run, or may execute it, does not answer."""

    status = 503
    slug = "unresponsive"
    title = "The run's process does not answer"

    def __init__(self, run_id: str) -> None:
        super().__init__(
            f"Another process of this service, which may be executing {run_id}, does not answer. Try again; one that hangs "
            f"is replaced within a minute, which ends its runs as interrupted, so that they can be resumed."
        )


@dataclass(frozen=True, kw_only=True)
class Failure:
    """How a step failed, in words for people and a code for programs."""

    code: str
    message: str
    module: str
    step: str = ""
    retryable: bool = False
    requirement: str | None = None
    module_error: dict[str, Any] | None = None

    def shortened(self) -> Self:
        """The failure with the beginning of what its module said; the kept answer has the rest."""
        reported = self.module_error
        if reported is not None and len(repr(reported)) > _MOST_CHARACTERS:
            reported = {name: excerpt(value, _MOST_CHARACTERS) for name, value in reported.items() if isinstance(value, str)}
        return replace(self, message=excerpt(self.message, _MOST_CHARACTERS), module_error=reported)

    def as_json(self) -> dict[str, Any]:
        """The failure as it stands in records and answers; empty fields are left out."""
        return {name: value for name, value in vars(self).items() if value not in (None, "")}


class StepError(OrchestratorError):
    """A module did not do its step. `exchange` is what went over the wire, when a whole answer came back.

    `unsent` says that nothing went over it at all, since there was no connection.
    """

    def __init__(self, failure: Failure, exchange: Exchange | None = None, *, unsent: bool = False) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.exchange = exchange
        self.unsent = unsent

    @property
    def is_of_connection(self) -> bool:
        """Whether no whole answer came, so that the module may have ended or be starting."""
        return self.failure.code == UNREACHABLE

    @classmethod
    def of(cls, module: str, code: str, message: str, *, retryable: bool = False, requirement: str | None = None) -> Self:
        """The error that `module` caused; `message` goes on after the module's name."""
        text = f"{module} {message}"
        return cls(Failure(code=code, message=text, module=module, retryable=retryable, requirement=requirement))


class AccessError(RequestError):
    """A caller may not do what it asks for. `headers` are those that the answer has besides."""

    def __init__(self, status: int, slug: str, title: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.slug = slug
        self.title = title
        self.headers = dict(headers or {})

    @classmethod
    def unknown(cls, detail: str, *, key_was_sent: bool) -> Self:
        """A request without a key, or with one that is not valid."""
        challenge = 'Bearer realm="openpolicystack"' + (', error="invalid_token"' if key_was_sent else "")
        title = "The key is not valid" if key_was_sent else "A key is needed"
        return cls(401, "unauthorized", title, detail, {"WWW-Authenticate": challenge})

    @classmethod
    def forbidden(cls, needed: str, has: str) -> Self:
        """A request that needs another scope than its key has."""
        detail = (
            f"This needs a key with the scope {needed}, and this one has the scope {has}. "
            f"`ops keys add NAME --scope {needed}`, where the service runs, makes one."
        )
        challenge = f'Bearer realm="openpolicystack", error="insufficient_scope", scope="{needed}"'
        return cls(403, "insufficient-scope", "The key may not do this", detail, {"WWW-Authenticate": challenge})

    @classmethod
    def too_many(cls, wait_s: int) -> Self:
        """Too many keys that are not valid came from the caller's address."""
        detail = f"Too many keys that are not valid came from this address; try again in {wait_s} s."
        return cls(429, "too-many-tries", "Too many tries", detail, {"Retry-After": str(wait_s)})

    @classmethod
    def busy(cls, wait_s: int) -> Self:
        """Too many keys are being looked at."""
        detail = f"Too many keys are being checked at the moment; try again in {wait_s} s."
        return cls(503, "busy", "No key can be checked now", detail, {"Retry-After": str(wait_s)})


class NetworkError(OrchestratorError):
    """No whole response arrived; the message says why in plain words, without the address.

    `unsent` says that there was no connection, so that nothing of the request was sent.
    """

    def __init__(self, reason: str, *, unsent: bool = False) -> None:
        super().__init__(reason)
        self.unsent = unsent


class ResponseTooLargeError(OrchestratorError):
    """A response has more than `limit` of something, of bytes in its body unless `what` names another thing.

    The message says what is too much, without who sent it.
    """

    def __init__(self, limit: int, what: str = "bytes") -> None:
        super().__init__(f"more than the {limit} {what} allowed")
        self.limit = limit
        self.what = what


class ExpressionError(OrchestratorError):
    """An expression is wrong or cannot be evaluated. `position` counts characters from 1, None when it is not known."""

    def __init__(self, text: str, position: int | None, reason: str) -> None:
        super().__init__(f"{reason}, {_place(text, position)}")
        self.reason = reason
        self.position = position


class StoreError(OrchestratorError):
    """The run store cannot be read or written; the message names the path and the reason."""


class DamagedRunError(StoreError):
    """The document `name` of the run in `folder` cannot be used; `cause` says why, and `reason` which and why.

    `remedy` is what to do, when that is not to restore or to remove the folder; it is a part of the reason then.
    """

    def __init__(self, folder: Path, name: str, reason: str, remedy: str = "") -> None:
        usual = "restore the run's folder from a copy, or remove it"
        super().__init__(f"{folder / name} is damaged: {reason}; {remedy or usual}")
        self.run_id = folder.name
        self.name = name
        self.cause = reason
        self.remedy = remedy
        self.reason = f"{name}: {reason}; {remedy}" if remedy else f"{name}: {reason}"


class DamagedSweepError(StoreError):
    """A file of a sweep cannot be used."""


class FencedError(StoreError):
    """Another process has taken the run or the sweep over, so that whoever wrote it until now has nothing more to say of it."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"another process has taken {run_id} over, and goes on with it")
        self.run_id = run_id


class OtherKeyError(StoreError):
    """The log of a run is signed with another key than this process has, or was changed since."""

    def __init__(self, run_id: str, *, has_key: bool) -> None:
        why = (
            "signed with another key than that of OPS_SIGNING_KEY here, or was changed since"
            if has_key
            else "signed, and this process has no key"
        )
        super().__init__(
            f"the log of {run_id} is {why}: who goes on with it could not sign the run; "
            "give each process that shares runs the same OPS_SIGNING_KEY"
        )


class RunExistsError(OrchestratorError):
    """There is a run with this id already; a new run takes another id."""


class ArchiveError(OrchestratorError):
    """A zip file holds no runs that can be taken from it, or a run cannot be put into one; the message says which and why."""


class CannotReachError(OrchestratorError):
    """No orchestrator answers at the address."""


class RefusedError(OrchestratorError):
    """The orchestrator answered with a problem document: its HTTP status, the end of its type, and its detail."""

    def __init__(self, status: int, message: str, *, slug: str = "", detail: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.slug = slug
        self.detail = detail
