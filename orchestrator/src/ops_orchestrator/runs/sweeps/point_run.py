"""The run of one point: started once whatever happens, and gone on with when an earlier attempt of the sweep left it."""

from typing import Final

from ops_orchestrator.errors import ConflictError
from ops_orchestrator.planning.sweep import Point
from ops_orchestrator.runs.active_run import ActiveRun
from ops_orchestrator.runs.active_runs import ActiveRuns
from ops_orchestrator.runs.events import Origin
from ops_orchestrator.runs.record import RunRecord

_LOOK_EVERY_S: Final = 1.0


def key_of(sweep_id: str, number: int) -> str:
    """The idempotency key of a point's run: with it, the run is found again after a kill, and never made twice."""
    return f"{sweep_id}/{number}"


async def point_run(runs: ActiveRuns, sweep_id: str, point: Point) -> ActiveRun | RunRecord:
    """The run of a point, under way in `runs`, or its record when it completed before. Raises RequestError, StoreError."""
    origin = Origin(sweep=sweep_id)
    found = await runs.start_once(point.scenario, key_of(sweep_id, point.number), origin=origin)
    while isinstance(found, RunRecord) and found.status != "completed":
        found = await _gone_on(runs, found)
    return found


async def _gone_on(runs: ActiveRuns, record: RunRecord) -> ActiveRun | RunRecord:
    """Go on with a run that is not completed, unless somebody executes it: then its record of later."""
    try:
        return await (runs.resume if record.is_over else runs.take_over)(record.run_id)
    except ConflictError:
        # Whoever took over what a dead service left may be faster.
        return runs.find(record.run_id) or await runs.wait_elsewhere(record, _LOOK_EVERY_S)
