"""The completed points of a sweep that is resumed, compared with their runs: a line about a run is no record of it."""

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass

from ops_contract import sha256_hex
from ops_orchestrator.errors import NotFoundError, StoreError
from ops_orchestrator.runs.run_filter import RunFilter
from ops_orchestrator.runs.store.all_runs import all_runs
from ops_orchestrator.runs.store.protocols import RunStore
from ops_orchestrator.runs.sweeps.point_run import key_of
from ops_orchestrator.runs.sweeps.points_log import PointOutcome


@dataclass(frozen=True)
class CheckedPoints:
    """Which points are `completed`, by number; `corrected` is what became of those of which something else was noted."""

    completed: frozenset[int]
    corrected: tuple[PointOutcome, ...] = ()
    notes: tuple[str, ...] = ()


def checked_points(
    store: RunStore, sweep_id: str, outcomes: Iterable[PointOutcome], known: Container[tuple[str | None, str | None]] = ()
) -> CheckedPoints:
    """Compare what was noted of the completed points of a sweep with what their runs found. Blocks.

    A point whose run is removed, or cannot be read, stays completed, and a note says so. Of a run that is `known` with what was
    noted as its result nothing is read.
    """
    noted = [outcome for outcome in outcomes if outcome.status == "completed"]
    pairs = [(was, was if (was.run_id, was.result) in known else _found(store, sweep_id, was)) for was in noted]
    corrected = tuple(now for was, now in pairs if now is not None and now != was)
    unchecked = [was.number for was, now in pairs if now is None]
    return CheckedPoints(
        completed=frozenset(was.number for was, now in pairs if (now or was).status == "completed"),
        corrected=corrected,
        notes=tuple(_notes([now.number for now in corrected], unchecked)),
    )


def listed_results(store: RunStore, sweep_id: str) -> set[tuple[str | None, str | None]]:
    """The completed runs of a sweep with the fingerprints of their results, as they are listed. Blocks."""
    completed = RunFilter(sweep=sweep_id, status="completed")
    return {(run.run_id, run.fingerprints.result) for run in all_runs(store, completed)}


def _found(store: RunStore, sweep_id: str, noted: PointOutcome) -> PointOutcome | None:
    """What became of a point by the record of its run; None when there is none that can be read."""
    if noted.run_id is None:
        return PointOutcome.refused(noted.number, "it has no run")
    try:
        record = store.record(noted.run_id)
        if record.idempotency_key != sha256_hex(key_of(sweep_id, noted.number).encode()):
            return PointOutcome.refused(noted.number, f"{noted.run_id} is the run of something else")
        return PointOutcome.of(noted.number, record, store.results(noted.run_id))
    except (NotFoundError, StoreError):
        return None


def _notes(corrected: Sequence[int], unchecked: Sequence[int]) -> Iterator[str]:
    if corrected:
        yield f"points.jsonl had something else than the runs of {_listed(corrected)}; what the runs found is used"
    if unchecked:
        yield f"the runs of {_listed(unchecked)} are removed or cannot be read; the table has what points.jsonl says of them"


def _listed(numbers: Sequence[int]) -> str:
    if len(numbers) == 1:
        return f"point {numbers[0]}"
    return f"{len(numbers):,} points, such as point {numbers[0]}"
