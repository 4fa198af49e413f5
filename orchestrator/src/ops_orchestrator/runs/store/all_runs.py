"""All runs of a store, page by page, and how much room they take."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ops_orchestrator.runs.run_filter import EVERY_RUN, RunFilter
from ops_orchestrator.runs.run_summary import RunSummary
from ops_orchestrator.runs.store.protocols import RunStore

_RUNS_A_PAGE = 500


@dataclass
class Room:
    """A number of runs, and the bytes of their files."""

    runs: int = 0
    bytes: int = 0

    def add(self, size: int) -> None:
        """Count one more run."""
        self.runs += 1
        self.bytes += size


@dataclass
class Usage:
    """How much room runs take, altogether and by status, and when the first and the last of them started."""

    total: Room = field(default_factory=Room)
    by_status: dict[str, Room] = field(default_factory=dict)
    oldest: str | None = None
    newest: str | None = None


def all_runs(store: RunStore, where: RunFilter = EVERY_RUN) -> Iterator[RunSummary]:
    """The runs that `where` accepts, newest first; also while runs come and go."""
    page = store.page(_RUNS_A_PAGE, where=where)
    yield from page.runs
    while page.next_cursor is not None:
        page = store.page(_RUNS_A_PAGE, page.next_cursor, where)
        yield from page.runs


def usage(store: RunStore, measured: Callable[[int], None]) -> Usage:
    """How much room the runs in the store take; `measured` is called after each with their number so far."""
    found = Usage()
    for run in all_runs(store):
        size = store.size(run.run_id)
        found.total.add(size)
        found.by_status.setdefault(run.status, Room()).add(size)
        found.newest, found.oldest = found.newest or run.started_at, run.started_at
        measured(found.total.runs)
    return found
