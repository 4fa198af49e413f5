"""Which runs are old enough to be deleted, and their deletion at a bounded rate."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final

from ops_orchestrator.errors import NotFoundError, OrchestratorError
from ops_orchestrator.runs.run_filter import RunFilter
from ops_orchestrator.runs.run_summary import RunSummary
from ops_orchestrator.runs.store.all_runs import all_runs
from ops_orchestrator.runs.store.protocols import RunStore
from ops_orchestrator.runs.store.rounds import Rounds

RUNS_A_SECOND: Final = 50.0
"""How many runs are deleted in a second: on ext4, making folders stays slow for minutes after thousands went at once."""

_ROUNDS_S: Final = 3600.0

_log: Final = logging.getLogger("ops_orchestrator.store")


@dataclass(frozen=True)
class Rule:
    """Which runs are deleted: those that ended longer ago than `older_than`.

    The `keep_last` newest runs of the store stay and, with `keep_labelled`, those that have a label. Runs that are damaged or
    not over always stay.
    """

    older_than: timedelta
    keep_labelled: bool = False
    keep_last: int = 0


def expired(store: RunStore, rule: Rule, now: datetime) -> Iterator[RunSummary]:
    """The runs that the rule gives up at the time `now`, newest first. Raises StoreError."""
    before = now - rule.older_than
    kept = {run.run_id for run in islice(all_runs(store), rule.keep_last)}
    for run in all_runs(store, RunFilter(until=before)):
        is_kept = run.run_id in kept or (rule.keep_labelled and run.labels)
        if not is_kept and run.finished_at is not None and datetime.fromisoformat(run.finished_at) < before:
            yield run


def _log_failure(error: OrchestratorError) -> None:
    _log.warning("an old run stays: %s", error)


def prune(  # noqa: PLR0913  # what a test and a command replace, each by name
    store: RunStore,
    run_ids: Iterable[str],
    a_second: float = RUNS_A_SECOND,
    *,
    failed: Callable[[OrchestratorError], object] = _log_failure,
    wait: Callable[[float], object] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[str]:
    """Delete runs, never more than `a_second` of them in a second; yields those that are gone, each right after it went.

    `wait` is called with the seconds between one and the next, and ends the work when it returns something true. Runs that went
    on or were taken meanwhile are left out, and so are those that cannot be deleted, for each of which `failed` is called.
    """
    for run_id in run_ids:
        began = clock()
        try:
            if store.remove(run_id):
                yield run_id
        except NotFoundError:
            pass  # somebody else was faster
        except OrchestratorError as error:
            failed(error)
        if wait(max(began + 1 / a_second - clock(), 0)):
            return


class Retention:
    """Deletes old runs while a service runs: once at the start, and then every hour."""

    def __init__(
        self, store: RunStore, rule: Rule, a_second: float = RUNS_A_SECOND, deleted: Callable[[int], None] | None = None
    ) -> None:
        self._store = store
        self._rule = rule
        self._a_second = a_second
        self._deleted = deleted or _log_deleted
        self._rounds = Rounds("run-retention", self._delete, _ROUNDS_S)

    def start(self) -> None:
        """Begin, in a thread; `deleted` is called there after each round with the number of runs that went."""
        self._rounds.start()

    def stop(self) -> None:
        """End within the deletion of one run. Blocking."""
        self._rounds.stop()

    def _delete(self) -> None:
        try:
            runs = expired(self._store, self._rule, datetime.now(UTC))
            gone = prune(self._store, (run.run_id for run in runs), self._a_second, wait=self._rounds.wait)
            self._deleted(sum(1 for _ in gone))
        except Exception:  # noqa: BLE001  # whatever it is, runs go on, and the next round may do better
            _log.exception("old runs cannot be deleted")


def retention_of(store: RunStore, days: int | None) -> Retention | None:
    """What deletes runs that ended more than `days` ago; None when all are kept."""
    return None if days is None else Retention(store, Rule(timedelta(days=days)))


def _log_deleted(count: int) -> None:
    if count:
        _log.info("%d runs were deleted, which were older than OPS_RETENTION_DAYS", count)
