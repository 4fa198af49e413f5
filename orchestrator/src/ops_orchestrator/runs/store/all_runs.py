"""All runs of a store, page by page, and how much room they take."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter

from ops_orchestrator.errors import NotFoundError, StoreError
from ops_orchestrator.runs.record import RunRecord, StepRecord
from ops_orchestrator.runs.run_filter import EVERY_RUN, RunFilter
from ops_orchestrator.runs.run_summary import RunSummary
from ops_orchestrator.runs.store.listed_run import IndexedRun, Page, Position
from ops_orchestrator.runs.store.protocols import RunIndex, RunStore

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


def page_of(
    index: RunIndex, limit: int, cursor: str | None, where: RunFilter, listed: Callable[[IndexedRun], RunSummary | None]
) -> Page:
    """A page of an index, of whose runs `listed` says what they are now; None for one that cannot be read. See RunStore."""
    found = index.page(limit + 1, where, Position.of(cursor) if cursor else None)
    runs = [run for indexed in found[:limit] if (run := listed(indexed)) and where.accepts(run)]
    last = found[limit - 1].position if len(found) > limit else None
    return Page(runs, last.cursor() if last else None, is_complete=index.is_complete)


def last_calls_in(
    index: RunIndex, record_of: Callable[[str], RunRecord], module: str, limit: int
) -> list[tuple[RunRecord, StepRecord]]:
    """The last calls of a module in an index, whose runs `record_of` reads. See RunStore."""
    found = []
    for run_id, calls in groupby(index.last_calls(module, limit), key=itemgetter(0)):
        with suppress(NotFoundError, StoreError):
            record = record_of(run_id)
            steps = {step.step: step for step in record.steps if step.module == module}
            found += [(record, steps[number]) for _, number in calls if number in steps]
    return found
