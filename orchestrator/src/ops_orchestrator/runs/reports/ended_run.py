"""A run whose end is in its folder: only of such a run can something be made that stays true."""

from ops_orchestrator.errors import ConflictError
from ops_orchestrator.runs.record import RunRecord
from ops_orchestrator.runs.store.protocols import StoredRun


def ended_record(run: StoredRun, wanted: str) -> RunRecord:
    """The record of `run`. Raises ConflictError when the run is not over, and says that `wanted` cannot be made of it."""
    record = run.record()
    if not record.is_over:
        raise ConflictError(f"{run.run_id} is {record.status}: {wanted} is made of a run that is over; wait for its end.")
    return record
