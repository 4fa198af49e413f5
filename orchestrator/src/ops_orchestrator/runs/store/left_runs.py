"""Finds the runs that a dead service left in a store, and ends them."""

import logging
import os
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from ops_orchestrator.errors import DamagedRunError, StoreError
from ops_orchestrator.runs.events import NOT_OVER
from ops_orchestrator.runs.record import FORMAT, LOGS, RECORD
from ops_orchestrator.runs.store.old_format import end_old_run
from ops_orchestrator.runs.store.plain_file import NotPlainError
from ops_orchestrator.runs.store.protocols import RunIndex
from ops_orchestrator.runs.store.reading import read_listed, run_ids_in
from ops_orchestrator.runs.store.recovery import (
    clear_unfinished,
    damaged_by,
    finish,
    lease_of_the_dead,
    record_of_the_left,
    was_never_flushed,
)
from ops_orchestrator.runs.store.removal import delete_removed
from ops_orchestrator.runs.store.run_folder import PART
from ops_orchestrator.runs.store.signed_log import Signer
from ops_orchestrator.runs.store.sync import Sync

_MAY_BE_LEFT: Final = (*NOT_OVER, "damaged")
_NEVER_FLUSHED: Final = (
    "a power failure took the beginning of the run before any caller had an answer about it: its folder is removed"
)

_log: Final = logging.getLogger("ops_orchestrator.store")


def left_runs(store: Path, index: RunIndex) -> set[str]:
    """The runs in the folder `store` that are not over, or damaged; whoever executes them may live.

    Folders that were never finished are removed. Raises OSError, StoreError.
    """
    clear_leftovers(store)
    return run_ids_in(store) & set[str]().union(*(index.run_ids(status) for status in _MAY_BE_LEFT))


def clear_leftovers(store: Path) -> None:
    """Remove the folders in `store` that nobody makes any more, or that were being removed. Raises OSError."""
    clear_unfinished(store)
    delete_removed(store)


def abandoned_runs(store: Path, index: RunIndex) -> set[str]:
    """The runs in the folder `store` that the index knows as not over, and that nobody executes. Raises StoreError."""
    return {run_id for status in NOT_OVER for run_id in index.run_ids(status) if _is_abandoned(store / run_id)}


def end_left_runs(
    store: Path, run_ids: Iterable[str], index: RunIndex, sync: Sync, signer: Signer | None = None
) -> Mapping[str, OSError | StoreError | None]:
    """End those of the runs in the folder `store` that nobody executes; by run id, why one could not be ended, or None."""
    ended: dict[str, OSError | StoreError | None] = {}
    for run_id in sorted(run_ids):
        try:
            if _end_if_left(store, run_id, index, sync, signer):
                ended[run_id] = None
        except (OSError, StoreError) as error:
            if isinstance(error, DamagedRunError) and was_never_flushed(store, run_id):
                _log.warning("run.removed: %s", _NEVER_FLUSHED, extra={"run_id": run_id})
                shutil.rmtree(store / run_id, ignore_errors=True)
                index.drop([run_id])
                continue
            ended[run_id] = damaged_by(store, run_id, error) if isinstance(error, NotPlainError) else error
            # What is on disk counts, and a full disk may keep it at `running`.
            if run := read_listed(store, run_id):
                index.put([run])
    return ended


def _is_abandoned(folder: Path) -> bool:
    with suppress(OSError), lease_of_the_dead(folder) as lease:
        return lease is not None
    return False


def _end_if_left(store: Path, run_id: str, index: RunIndex, sync: Sync, signer: Signer | None) -> bool:
    """End a run unless it is over or somebody executes it; whether it was left. Raises DamagedRunError, StoreError, OSError."""
    folder = store / run_id
    with lease_of_the_dead(folder) as lease:
        try:
            # Read under the lease: the record of a run that has just ended is final.
            record = record_of_the_left(store, run_id)
        except DamagedRunError:
            return False  # it was over, and is not ours to repair
        if record is not None and record.is_over:
            if lease is not None:
                # Whoever began to go on with the run died before that could be read from its record.
                with suppress(OSError):
                    (folder / f"{RECORD}{PART}").unlink()
            index.put([record])
            return False
        if not os.path.lexists(folder / LOGS):
            raise DamagedRunError(folder, LOGS, "the file is missing")
        if lease is None:
            return False
        if record is not None and record.format < FORMAT:
            record = end_old_run(store, record, lease, sync)
        else:
            record, _ = finish(store, run_id, lease, sync, signer=signer)
    index.put([record])
    return True
