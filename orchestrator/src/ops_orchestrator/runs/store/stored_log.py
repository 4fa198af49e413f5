"""What the log of a stored run tells, as far as it can be believed."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ops_contract import JsonError, ShapeError, parse_json, validate
from ops_orchestrator.errors import DamagedRunError
from ops_orchestrator.runs.event_reader import LONGEST_LINE_BYTES, LogError, read_event
from ops_orchestrator.runs.events import Event, RunEnded, RunQueued, RunResumed
from ops_orchestrator.runs.record import LOGS, MANIFEST, StepResults, result_name
from ops_orchestrator.runs.run_file import FileRef
from ops_orchestrator.runs.run_state import RunState
from ops_orchestrator.runs.store.plain_file import NotPlainError, open_below, read_below

LARGEST_DOCUMENT_BYTES: Final = 256 * 1024 * 1024
"""What is read of a log, or of any document but run.json."""

_MOST_VALUES: Final = 4_000_000


@dataclass(frozen=True)
class StoredLog:
    """The beginning of a log that is whole: its events and the run as they tell it, and where in `content` each ends.

    `rest` says what is wrong after that, None when nothing follows. `broken` says which file is not as the log says, when that
    takes nothing back.
    """

    content: bytes
    events: tuple[Event, ...]
    state: RunState
    ends: tuple[int, ...]
    rest: str | None
    broken: str | None = None

    @property
    def modules_sha256(self) -> str:
        """The SHA-256 of the run's modules.json."""
        first = self.events[0].what
        assert isinstance(first, RunQueued)  # noqa: S101  # the state is made of it
        return first.modules_sha256

    @property
    def whole(self) -> bytes:
        """The lines of the events."""
        return self.content[: self.ends[-1]]

    @property
    def last_line(self) -> bytes:
        """The line of the last event, with its newline."""
        start = self.ends[-2] if len(self.ends) > 1 else 0
        return self.content[start : self.ends[-1]]

    @property
    def goes_on_again(self) -> bool:
        """Whether the run was resumed after its last end, so that a manifest in its folder is of that end."""
        turns = [event.what for event in self.events if isinstance(event.what, RunEnded | RunResumed)]
        return bool(turns) and isinstance(turns[-1], RunResumed)

    @property
    def ended(self) -> RunEnded | None:
        """How the run ended, if its last event says so."""
        what = self.events[-1].what
        return what if isinstance(what, RunEnded) else None

    def first(self, count: int, rest: str | None) -> "StoredLog":
        """The first `count` events, before what `rest` says."""
        events = self.events[:count]
        return StoredLog(self.content, events, RunState.of(events), self.ends[:count], rest)

    def without_end(self) -> "StoredLog":
        """The log before its last event, if that says how the run ended: until more is written, that may come to be another."""
        return self if self.ended is None else self.first(len(self.events) - 1, self.rest)


def read_log(store: Path, run_id: str) -> StoredLog:
    """The log of a run, as far as its lines are events. Raises LogError when not even the first one is, and OSError.

    Raises LogError too when there is a manifest, and the log does not tell of the end before which that is never written:
    such a log is not one that a crash has left.
    """
    # Looked at before the log: the run may be about to end.
    had_ended = has_content(store, run_id, MANIFEST)
    log = log_in(read_below(store, f"{run_id}/{LOGS}", LARGEST_DOCUMENT_BYTES), run_id)
    if had_ended and log.ended is None and not log.goes_on_again:
        raise LogError(f"{log.rest or 'it does not say how the run ended'}, although there is a {MANIFEST}")
    return log


def log_in(content: bytes, run_id: str) -> StoredLog:
    """The log of a run whose logs.jsonl is `content`, as far as its lines are events. Raises LogError when not even one is."""
    events: list[Event] = []
    ends: list[int] = []
    rest = None
    state: RunState | None = None
    for line, end in lines_of(content):
        try:
            event = read_event(line, run_id, len(events) + 1)
            if state is None:
                state = RunState(event)
            else:
                state.apply(event)
        except LogError as error:
            rest = str(error)
            break
        events.append(event)
        ends.append(end)
    if state is None:
        raise LogError(rest or "the log has no line")
    if rest is None and ends[-1] < len(content):
        rest = f"line {len(events) + 1} is not complete"
    return StoredLog(content, tuple(events), state, tuple(ends), rest)


def with_whole_files(log: StoredLog, store: Path, run_id: str) -> StoredLog:
    """As much of `log` as names files that are there, with the size and digest that it says. Raises LogError, OSError.

    A line comes after its files, but a power cut may keep the line and lose what was in a file.
    """
    while True:
        broken = {file.path: why for file in log.state.files.values() if (why := _why_broken(store, run_id, file))}
        if not broken:
            return log
        count, path = next(
            (index, file.path)
            for index, event in enumerate(log.events)
            for file in getattr(event.what, "files", ())
            if file.path in broken
        )
        if count == 0:
            raise LogError("line 1 names files")
        log = log.first(count, f"line {count + 1} names {path}, which {broken[path]}")


def read_results(store: Path, run_id: str, state: RunState) -> dict[str, StepResults]:
    """The results of the run's completed steps, by step id, from their files. Raises DamagedRunError, OSError."""
    results = {}
    for step in state.record.steps:
        if step.status != "completed":
            continue
        name = result_name(step.step, step.id)
        try:
            content = read_below(store, f"{run_id}/{name}", LARGEST_DOCUMENT_BYTES)
            results[step.id] = validate(StepResults, parse_json(content, max_values=_MOST_VALUES), name)
        except (FileNotFoundError, NotPlainError, ShapeError, JsonError) as error:
            reason = str(error.problems[0]) if isinstance(error, ShapeError) else str(error)
            raise DamagedRunError(store / run_id, name, reason) from error
    return results


def has_content(store: Path, run_id: str, name: str) -> bool:
    """Whether there is such a file, and not only its name: a power failure may keep that alone of what was not flushed."""
    try:
        return bool(remains(read_below(store, f"{run_id}/{name}", LARGEST_DOCUMENT_BYTES)))
    except FileNotFoundError:
        return False
    except OSError:
        return True


def remains(content: bytes) -> bytes:
    """What a power failure left of a file: pages that were not flushed read as zeros."""
    return content.rstrip(b"\0")


def lines_of(content: bytes) -> Iterator[tuple[bytes, int]]:
    """The complete lines, each with the position behind it. Of a line that is longer than any event, the beginning."""
    start = 0
    while (end := content.find(b"\n", start)) >= 0:
        yield content[start : min(end, start + LONGEST_LINE_BYTES + 1)], end + 1
        start = end + 1


def _why_broken(store: Path, run_id: str, file: FileRef) -> str | None:
    try:
        with open_below(store, f"{run_id}/{file.path}") as content:
            if hashlib.file_digest(content, "sha256").hexdigest() == file.sha256:
                return None
            return "has other content"
    except FileNotFoundError:
        return "is missing"
    except NotPlainError as error:
        return error.reason
