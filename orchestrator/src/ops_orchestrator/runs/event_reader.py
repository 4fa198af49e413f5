"""Reads the lines of a log back into events. A log may be damaged, or come from elsewhere."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, get_args

from pydantic import TypeAdapter, ValidationError

from ops_contract import JsonError, parse_json, problem_of
from ops_orchestrator.runs.document_fields import Time
from ops_orchestrator.runs.events import Event, Occurrence, Unknown

LONGEST_LINE_BYTES: Final = 64 * 1024 * 1024
"""More than an event has: the warnings of the largest answer, each character of them escaped."""


class LogError(ValueError):
    """A line of a log is not an event; the message says why."""


@dataclass(frozen=True, slots=True)
class ReadLine:
    """A line of a log: its event, and the SHA-256 by which it refers to the line before, if it does."""

    event: Event
    previous_sha256: str | None


def read_event(line: bytes, run_id: str, seq: int) -> Event:
    """The event number `seq` of the run, from its line. Unknown fields and kinds are ignored. Raises LogError."""
    event = read_line(line, seq).event
    if (event.run_id, event.seq) != (run_id, seq):
        raise LogError(f"line {seq} is not event {seq} of {run_id}")
    return event


def read_line(line: bytes, number: int) -> ReadLine:
    """The line number `number` of a log, whatever event of whatever run it has. Raises LogError as `read_event` does."""
    if len(line) > LONGEST_LINE_BYTES:
        raise LogError(f"line {number} is not an event: it has more than {LONGEST_LINE_BYTES:,} bytes")
    try:
        values = _object(line)
        header = _header_reader().validate_python(values)
        reader = _readers().get(header.event)
        what = reader.validate_python(values) if reader else Unknown(header.event)
    except ValidationError as error:
        raise LogError(f"line {number} is not an event: {problem_of(error.errors()[0])}") from error
    except (ValueError, JsonError) as error:
        raise LogError(f"line {number} is not an event: {error}") from error
    event = Event(run_id=header.run_id, seq=header.seq, at=header.timestamp, what=what)
    return ReadLine(event, header.previous_sha256)


def _object(line: bytes) -> dict[str, Any]:
    values = parse_json(line)
    if not isinstance(values, dict):
        raise ValueError("it is not a JSON object")  # noqa: TRY004  # of the line, not of the program
    return values


@dataclass(frozen=True, slots=True)
class _Header:
    seq: int
    run_id: str
    event: str
    timestamp: Time
    previous_sha256: str | None = None


@lru_cache
def _readers() -> dict[str, TypeAdapter[Occurrence]]:
    """By the name of an event, what reads its line. Made on demand: only recovery and readers of runs under way need them."""
    return {kind.name: TypeAdapter(kind) for kind in get_args(Occurrence)}


@lru_cache
def _header_reader() -> TypeAdapter[_Header]:
    return TypeAdapter(_Header)
