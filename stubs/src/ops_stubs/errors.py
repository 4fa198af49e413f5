"""Everything that a stub refuses to do.

StubError
├── InputError      inputs that the module cannot work with: 422 with a pointer
├── RefusalError    a request that never reaches the module, or cannot be answered in time: its own status
├── FaultError      a fault that cannot be staged, such as a misspelt one; the command line and the admin API tell it
├── RecordingError  a run folder from which nothing can be replayed; the command line tells it
├── LiveError       a live module that cannot be asked what was recorded; the command line tells it
└── BareError       what an endpoint from before the contract answers: {"detail": ...}; the legacy service has its own ways
"""

from typing import Any

from ops_contract import Problem, ShapeError

__all__ = ["BareError", "FaultError", "InputError", "LiveError", "RecordingError", "RefusalError", "StubError"]

_PROBLEMS_SHOWN = 20


class StubError(Exception):
    """Base of every error that this package raises on purpose."""


class InputError(StubError):
    """Inputs that a module cannot work with; `pointer` points into the request body, as in `/inputs/country`."""

    def __init__(self, pointer: str, message: str, problems: tuple[Problem, ...] = ()) -> None:
        """Keep where the first problem is and, when there are several, all of them."""
        super().__init__(message)
        self.pointer = pointer
        self.message = message
        self.problems = problems or (Problem(pointer, message),)

    @classmethod
    def of(cls, error: ShapeError, base: str) -> "InputError":
        """Tell a ShapeError found below `base` as an input error: the first problem leads, the rest are counted."""
        problems = tuple(Problem(f"{base}{problem.pointer}", problem.message) for problem in error.problems)
        return cls(problems[0].pointer, told(problems), problems)


class RefusalError(StubError):
    """An answer that is an error envelope: its HTTP `status`, `code`, message and where the cause stands."""

    def __init__(
        self, status: int, code: str, message: str, *, pointer: str | None = None, details: dict[str, Any] | None = None
    ) -> None:
        """Keep what the envelope will say; a 503 is the only refusal that is worth a second try."""
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.pointer = pointer
        self.details = details or {}
        self.retryable = status == 503

    @classmethod
    def of_problems(cls, code: str, problems: tuple[Problem, ...]) -> "RefusalError":
        """A 422 that points to the first of `problems` and lists them all, up to a bound."""
        shown = [{"pointer": problem.pointer, "message": problem.message} for problem in problems[:_PROBLEMS_SHOWN]]
        details = {"problems": shown, "problem_count": len(problems)}
        return cls(422, code, told(problems), pointer=problems[0].pointer, details=details)


class FaultError(StubError):
    """A fault that cannot be staged; the message is one sentence that says why."""


class RecordingError(StubError):
    """A run folder that does not hold what is wanted of it; the message is one sentence that says what and where."""


class LiveError(StubError):
    """A module that cannot be reached or does not answer like one; the message is one sentence that says why."""


class BareError(StubError):
    """A failure of an endpoint from before the contract: an HTTP status and a `detail` of any shape."""

    def __init__(self, status: int, detail: Any) -> None:
        """Keep the status and what stands under `detail`."""
        super().__init__(str(detail))
        self.status = status
        self.detail = detail


def told(problems: tuple[Problem, ...]) -> str:
    """The first problem as a sentence, and how many more there are."""
    first = f"{problems[0].pointer or 'the body'} {problems[0].message}"
    return first if len(problems) == 1 else f"{first}; {len(problems) - 1} more in error.details.problems"
