"""The run of one point: started once whatever happens, and gone on with when an earlier attempt of the sweep left it."""

import asyncio
from typing import Final

from ops_orchestrator.errors import BusyError, ConflictError
from ops_orchestrator.modules.catalogue import Catalogue
from ops_orchestrator.planning.sweep import Point
from ops_orchestrator.runs.events import Origin
from ops_orchestrator.runs.record import RunRecord
from ops_orchestrator.runs.run_filter import RunFilter
from ops_orchestrator.runs.store.protocols import RunStore
from ops_orchestrator.runs.sweeps.state import SweepState
from ops_orchestrator.runs.sweeps.sweep_place import Cancellation
from ops_orchestrator.runs.under_way import Runs, RunUnderWay

_A_PAGE: Final = 500


def key_of(sweep_id: str, number: int) -> str:
    """The idempotency key of a point's run: with it, the run is found again after a kill, and never made twice."""
    return f"{sweep_id}/{number}"


async def first_run(runs: Runs, sweep: SweepState, point: Point, catalogue: Catalogue) -> RunUnderWay:
    """Start the run of a point of `sweep` that never ran before, with the modules of `catalogue`.

    Raises RequestError, BusyError among them, and StoreError.
    """
    # To look whether the key has a run takes a fifth of the time of a short run.
    key = key_of(sweep.sweep_id, point.number)
    return await runs.start(point.scenario, catalogue=catalogue, origin=_origin(sweep), new_key=key)


async def point_run(
    runs: Runs, store: RunStore, sweep: SweepState, point: Point, catalogue: Catalogue
) -> RunUnderWay | RunRecord:
    """The run of a point, under way in `runs`, or its record when it is over and is not to be run again.

    Raises BusyError when that has to be tried again, RequestError, StoreError.
    """
    key = key_of(sweep.sweep_id, point.number)
    found = await runs.start_once(point.scenario, key, catalogue=catalogue, origin=_origin(sweep))
    # In its first attempt, a sweep finds a run that is over when another process drove it before.
    if not isinstance(found, RunRecord) or found.status == "completed" or (found.is_over and sweep.attempt == 1):
        return found
    try:
        return await (runs.resume(found.run_id, sweep.caller) if found.is_over else runs.take_over(found.run_id))
    except ConflictError as error:
        # Another process was faster to take it over, or it has ended and only its record does not say so.
        await asyncio.to_thread(store.recover, [found.run_id])
        raise BusyError(f"{found.run_id} cannot go on yet: {error}") from error


async def cancel_runs(runs: Runs, store: RunStore, sweep_id: str, cancelled: Cancellation) -> None:
    """End the runs of a sweep that are not over, which whoever drove it before has started. Raises StoreError."""
    for status in ("queued", "running"):
        page = await asyncio.to_thread(store.page, _A_PAGE, None, RunFilter(sweep=sweep_id, status=status))
        for summary in page.runs:
            run = runs.elsewhere(await asyncio.to_thread(store.record, summary.run_id))
            if run is not None and not run.record.is_over:
                run.cancel(*cancelled)
                await run.wait()


def _origin(sweep: SweepState) -> Origin:
    return Origin(sweep=sweep.sweep_id, caller=sweep.caller)
