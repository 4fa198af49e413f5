"""The errors of the stubs.

StubError
├── InputError      inputs that the module cannot work with: 422 with a pointer
├── FaultError      a fault that cannot be staged, such as a misspelt one; reported by the command line and the admin API
├── RecordingError  a run folder from which nothing can be replayed; reported by the command line
├── LiveError       a live module that cannot be reached; reported by the command line
└── BareError       the answer of an endpoint from before the contract: {"detail": ...}, or as the legacy service does it

A request that never reaches the module, or cannot be answered in time, is the contract's RefusalError.
"""

from typing import Any

from ops_contract import Problem, RefusalError, ShapeError

__all__ = ["BareError", "FaultError", "InputError", "LiveError", "RecordingError", "StubError"]


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
        """The input error of a ShapeError found below `base`: the first problem leads the message, the rest are counted."""
        problems = tuple(Problem(f"{base}{problem.pointer}", problem.message) for problem in error.problems)
        return cls(problems[0].pointer, RefusalError.of_problems("INVALID_INPUT", problems).message, problems)


class FaultError(StubError):
    """A fault that cannot be staged; the message is one sentence that says why."""


class RecordingError(StubError):
    """A run folder that cannot be replayed; the message is one sentence that says which file and why."""


class LiveError(StubError):
    """A module that cannot be reached or does not follow the contract; the message is one sentence that says why."""


class BareError(StubError):
    """A failure of an endpoint from before the contract: an HTTP status and a `detail` of any shape."""

    def __init__(self, status: int, detail: Any) -> None:
        """Keep the status and the value of `detail`."""
        super().__init__(str(detail))
        self.status = status
        self.detail = detail
