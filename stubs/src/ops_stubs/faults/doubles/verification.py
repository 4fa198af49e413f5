"""Whether a stub got the requests that a test expects, and otherwise what came instead."""

from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from ops_contract import Difference, ShapeError, validate
from ops_stubs.errors import FaultError
from ops_stubs.faults.doubles.condition import Settings
from ops_stubs.faults.doubles.request_match import RequestMatch, differences_as_json, phrase
from ops_stubs.faults.journal import Entry, Journal

__all__ = ["Verdict", "Verification", "read_verification"]

_Times = Annotated[int, Field(ge=0, le=1_000_000)]


@dataclass(frozen=True)
class Verdict:
    """Whether the requests are as expected; `body` says so in JSON."""

    holds: bool
    body: dict[str, Any]


class Verification(Settings):
    """Requests, and how many of them are expected: at least one, unless this says otherwise."""

    match: RequestMatch = RequestMatch()
    times: _Times | None = None
    at_least: _Times | None = None
    at_most: _Times | None = None

    @model_validator(mode="after")
    def _one_way_to_count(self) -> Self:
        if self.times is not None and (self.at_least is not None or self.at_most is not None):
            raise ValueError("must have either times, or at_least and at_most")
        if self._least > self._most:
            raise ValueError(f"asks for at least {self._least} and at most {self._most}")
        return self

    @property
    def _least(self) -> int:
        unsaid = 0 if self.at_most is not None else 1
        return next(number for number in (self.times, self.at_least, unsaid) if number is not None)

    @property
    def _most(self) -> float:
        return next((number for number in (self.times, self.at_most) if number is not None), float("inf"))

    @property
    def _expected(self) -> str:
        if self.times is not None:
            return _requests(self.times)
        parts = [f"at least {_requests(self._least)}"] if self._least or self.at_most is None else []
        parts += [f"at most {_requests(self.at_most)}"] if self.at_most is not None else []
        return " and ".join(parts)

    def judged(self, journal: Journal) -> Verdict:
        """Hold the requests in `journal` against this."""
        missed = [(entry, self.match.differences(entry.received)) for entry in journal]
        matching = [entry.number for entry, found in missed if not found]
        body: dict[str, Any] = {"count": len(matching), "matching": matching}
        enough = len(matching) >= self._least
        is_certain = not journal.forgotten or (enough and self._most == float("inf"))
        if enough and len(matching) <= self._most and is_certain:
            return Verdict(holds=True, body=body)
        detail = f"expected {self._expected}, got {len(matching)}"
        if not enough:
            detail += _instead([each for each in missed if each[1]], body)
        elif len(matching) > self._most:
            detail += f": requests {', '.join(map(str, matching[:20]))}"
        if journal.forgotten:
            detail += f"; {_requests(journal.forgotten)} before these are forgotten, so reset the stub before what is counted"
        return Verdict(holds=False, body={"detail": detail, **body})


def _instead(others: list[tuple[Entry, list[Difference]]], body: dict[str, Any]) -> str:
    """The request that comes nearest, in words and in `body`."""
    if not others:
        return "; no other request came"
    entry, found = min(others, key=lambda each: len(each[1]))
    body["nearest"] = {"request": entry.as_json(), "differences": differences_as_json(found)}
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    cut = "; only the beginning of its body is kept, so nothing in it can be compared" if entry.body_truncated else ""
    return (
        f"; the nearest is request {entry.number}, {entry.method} {entry.path}, which differs at {phrase(found[0])}{more}{cut}"
    )


def read_verification(value: Any) -> Verification:
    """What a body asks. Raises FaultError."""
    try:
        return validate(Verification, value, "verification")
    except ShapeError as error:
        raise FaultError(str(error)) from error


def _requests(number: int) -> str:
    return f"{number} request{'' if number == 1 else 's'}"
