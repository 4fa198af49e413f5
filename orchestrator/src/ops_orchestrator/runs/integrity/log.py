"""The log of a run: whole, in order, and chained."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from ops_contract import JsonError, parse_json
from ops_orchestrator.runs.event_reader import LogError, ReadLine, read_line
from ops_orchestrator.runs.events import (
    Event,
    RunEnded,
    RunQueued,
    RunResumed,
    StepCompleted,
    Unknown,
    line_sha256,
)
from ops_orchestrator.runs.integrity.documents import check_bytes, is_of_this_version
from ops_orchestrator.runs.integrity.finding import Findings
from ops_orchestrator.runs.line_signature import parted
from ops_orchestrator.runs.record import FORMAT, LOGS, RECORD
from ops_orchestrator.runs.run_state import RunState
from ops_orchestrator.runs.store.run_folder import place_before
from ops_orchestrator.runs.store.stored_log import lines_of

_WORDS: Final = ("level", "service", "message")


@dataclass(frozen=True)
class CheckedLog:
    """The number of lines, the events that could be read, and the run as they tell it: None when not even the first one could.

    `is_whole` says that nothing was found to be wrong, so that the run is what they tell.
    """

    lines: int
    events: tuple[Event, ...]
    state: RunState | None
    is_whole: bool

    @property
    def modules_sha256(self) -> str | None:
        """The SHA-256 of the run's modules.json."""
        first = self.events[0].what if self.state else None
        return first.modules_sha256 if isinstance(first, RunQueued) else None

    @property
    def completed(self) -> dict[str, StepCompleted]:
        """The events of the steps that are completed, by step id."""
        return {event.what.step: event.what for event in self.events if isinstance(event.what, StepCompleted)}


NO_LOG: Final = CheckedLog(0, (), None, is_whole=False)
"""What is known of a run whose log cannot be read."""


def check_log(content: bytes, run_id: str, findings: Findings) -> CheckedLog:
    """Read the log of a run, line by line; what is wrong with one line does not keep the others from being read."""
    before = len(findings)
    check = _LogCheck(run_id, findings)
    line, end = b"", 0
    for line, end in lines_of(content):  # noqa: B007  # the last one counts
        if findings.left_out:
            break  # it is no log, and may be very long
        check.take(line)
    if end < len(content):
        findings.add(LOGS, "a newline at its end", f"{len(content) - end:,} bytes without one")
    last = check.events[-1] if check.events else None
    if last is None or not isinstance(last.what, RunEnded):
        findings.add(LOGS, "a last line that says how the run ended", "another last line" if last else "no event")
    elif len(findings) == before:
        _check_last_line(line, check.events, findings)
    return CheckedLog(check.lines, tuple(check.events), check.state, len(findings) == before)


def check_old_log(content: bytes, status: str, findings: Findings) -> CheckedLog:
    """Read the log of a run that version 0.1.0 left: its lines are not numbered, and a crash may have torn any of them."""
    first, _, _ = content.partition(b"\n")
    last, _, _ = content.rpartition(b"\n")
    with suppress(LogError):
        if read_line(first, 1).event.what.name == RunQueued.name:
            findings.add(RECORD, f"format {FORMAT}, since {LOGS} begins with {RunQueued.name}", "the format of version 0.1.0")
    findings.note(f"version 0.1.0 made the run: its {LOGS} has no chain and does not tell everything")
    try:
        ended = parse_json(last.rpartition(b"\n")[2])
    except JsonError:
        ended = None
    if not isinstance(ended, dict) or (ended.get("event"), ended.get("status")) != (RunEnded.name, status):
        findings.add(LOGS, f"a last line that says that the run is {status}, as {RECORD} says", "another last line")
    return replace(NO_LOG, lines=content.count(b"\n"))


class _LogCheck:
    """Takes the lines of a log one after another."""

    def __init__(self, run_id: str, findings: Findings) -> None:
        self.lines = 0
        self.events: list[Event] = []
        self.state: RunState | None = None
        self._run_id = run_id
        self._findings = findings
        self._seq = 0
        self._previous_sha256: str | None = None

    def take(self, line: bytes) -> None:
        """Take the next line, without its newline."""
        self.lines += 1
        self._seq += 1
        try:
            read = read_line(line, self.lines)
        except LogError as error:
            self._findings.add(LOGS, f"an event in line {self.lines}", str(error))
        else:
            self._check_place(read)
            self._apply(read.event)
        self._previous_sha256 = line_sha256(line)

    def _check_place(self, read: ReadLine) -> None:
        """Whether the line belongs here. After a line that is missing, counting goes on from the one that follows it."""
        event, where = read.event, f"in line {self.lines}"
        if (event.run_id, event.seq) != (self._run_id, self._seq):
            self._findings.add(LOGS, f"event {self._seq} of {self._run_id} {where}", f"event {event.seq} of {event.run_id}")
        self._seq = event.seq
        if read.previous_sha256 != self._previous_sha256:
            expected = _reference(self._previous_sha256)
            self._findings.add(LOGS, f"{expected} {where}, that of the line before", _reference(read.previous_sha256))

    def _apply(self, event: Event) -> None:
        last = self.events[-1].what if self.events else None
        if isinstance(last, RunEnded) and not isinstance(event.what, RunResumed):
            self._findings.add(LOGS, f"nothing but run.resumed after the end of the run, in line {self.lines}", event.what.name)
        if isinstance(event.what, Unknown):
            self._findings.note(f"{LOGS} has events {event.what.name}, which this version does not know")
        self.events.append(event)
        try:
            if self.state is None:
                self.state = RunState(event) if len(self.events) == 1 else None
            else:
                self._check_moves(self.state, event)
                self.state.apply(event)
        except LogError as error:
            self._findings.add(LOGS, f"an event of this run in line {self.lines}", str(error))

    def _check_moves(self, state: RunState, event: Event) -> None:
        """Whether the files of earlier attempts that the event names are those that were there before."""
        for file in event.what.files if isinstance(event.what, RunResumed) else ():
            before = state.files.get(place_before(file.path))
            if before is None or (before.sha256, before.size) != (file.sha256, file.size):
                expected = f"SHA-256 {before.sha256}, as before" if before else "a file that was there before"
                self._findings.add(file.path, f"{expected} line {self.lines} of {LOGS}", f"SHA-256 {file.sha256}")


def _check_last_line(line: bytes, events: Sequence[Event], findings: Findings) -> None:
    """Whether the last line is as its event is written: no later line refers to it, and run.json does not repeat all of it."""
    before, found, first = len(findings), parse_json(line), events[0].what
    as_written = events[-1].as_line(found.get("previous_sha256"))
    expected = parse_json(as_written)
    for name in _WORDS:
        if found.get(name) != expected[name]:
            findings.add(LOGS, f"{name} {expected[name]!r} in the last line", repr(found.get(name)))
    if len(findings) == before and isinstance(first, RunQueued) and is_of_this_version(first.versions):
        check_bytes(LOGS, parted(line + b"\n")[0], [as_written], findings)


def _reference(sha256: str | None) -> str:
    return f"previous_sha256 {sha256}" if sha256 else "no previous_sha256"
