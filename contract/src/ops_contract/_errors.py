"""The errors of this package.

ContractError
├── JsonError     the bytes are not one strict JSON value (OPS-EXE-004, OPS-ERR-003)
│   └── TooManyValuesError  there are more values in it than the reader accepts (OPS-LIM-001)
├── NumberError   a number that canonical JSON cannot carry (RFC 8785, section 3.2.2.3)
├── ShapeError    a JSON value that the schema refuses (OPS-EXE-001, OPS-ERR-004)
└── RefusalError  a call that a module does not answer with a success (OPS-ERR-001); in `_refusal.py`
"""

from dataclasses import dataclass
from typing import Final

__all__ = ["MAX_PROBLEMS", "ContractError", "JsonError", "NumberError", "Problem", "ShapeError", "TooManyValuesError"]


MAX_PROBLEMS: Final = 20
"""How many problems are kept and listed; a body can have a hundred thousand."""


@dataclass(frozen=True)
class Problem:
    """One error and its place: `pointer` is an RFC 6901 JSON pointer into the checked value."""

    pointer: str
    message: str

    def __str__(self) -> str:
        return f"{self.pointer or '(the whole value)'}: {self.message}"


class ContractError(Exception):
    """Base of every error that this package raises."""


class JsonError(ContractError):
    """The bytes are not one strict JSON value; the message says why."""


class TooManyValuesError(JsonError):
    """A JSON text holds more values than its reader accepts; `limit` is how many that is."""

    def __init__(self, limit: int) -> None:
        """Keep the limit."""
        super().__init__(f"it holds more than {limit} values, keys included; put large tables into an artifact")
        self.limit = limit


class NumberError(ContractError):
    """A number cannot be written as canonical JSON without changing it; `pointer` is its place."""

    def __init__(self, pointer: str, reason: str) -> None:
        """Keep the place of the number and why it cannot be carried."""
        super().__init__(f"{pointer or '(the whole value)'}: {reason}")
        self.pointer = pointer
        self.reason = reason


class ShapeError(ContractError):
    """A JSON value that the schema refuses; `problems` holds the first ones found.

    `problem_count` is the number of all that were found; in an array the first wrong item ends the search. The message lists
    the first ten: a body can hold a hundred thousand.
    """

    def __init__(self, subject: str, problems: tuple[Problem, ...], problem_count: int | None = None) -> None:
        """Keep what was checked and its problems; `problem_count` is the number of `problems` unless given."""
        self.subject = subject
        self.problems = problems
        self.problem_count = len(problems) if problem_count is None else problem_count
        listed = [*map(str, problems[:10]), *([f"and {self.problem_count - 10} more"] if self.problem_count > 10 else [])]
        super().__init__(f"{subject}: " + "; ".join(listed))
