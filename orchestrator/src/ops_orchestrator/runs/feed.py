"""Who learns of a run's events while it happens."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ops_orchestrator.runs.events import Event, RunQueued


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a run's log, with its newline, as it stands in the file; `is_last` for the one that says how the run ended.

    One that was just written has its `event`, and `queued`, with which its run began; one that was read from a file has not.
    """

    run_id: str
    seq: int
    data: bytes
    is_last: bool
    event: Event | None = None
    queued: RunQueued | None = None


class Consumer(Protocol):
    """Takes the lines of all runs: those of one run in their order, each once it is in its run's log."""

    def take(self, lines: Sequence[Line]) -> None:
        """Take in some lines. Called from the threads that write runs; what it raises is logged, and changes nothing."""
        ...
