"""Takes a run that was made elsewhere into a store, in whole or not at all. Blocking."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ops_orchestrator.errors import ConflictError, RunExistsError, StoreError
from ops_orchestrator.runs.record import RunRecord
from ops_orchestrator.runs.store.plain_file import all_files_in
from ops_orchestrator.runs.store.reading import record_on_disk
from ops_orchestrator.runs.store.recovery import clear_if_dead
from ops_orchestrator.runs.store.run_folder import made_with_lease, paths_of, unfinished_path
from ops_orchestrator.runs.store.sync import Sync


def adopt(path: Path, fill: Callable[[Path], None], sync: Sync) -> RunRecord:
    """Have `fill` put the files of a run into a folder of its name that nobody sees, and move that to `path`.

    Raises RunExistsError, ConflictError when the run is not over or somebody else adopts it, DamagedRunError when its record
    cannot be used, StoreError, and what `fill` raises; nothing is left then.
    """
    try:
        with _receiving(path) as folder:
            fill(folder)
            record = check_adoptable(folder)
            sync.flush(paths_of(folder, all_files_in(folder.parent, folder.name)))
            _move(folder, path)
            sync.flush((str(path), str(path.parent)))
            return record
    except OSError as error:
        raise StoreError(f"cannot take {path.name} into {path.parent}: {error.strerror}") from error


def check_adoptable(folder: Path) -> RunRecord:
    """The record of the run in `folder`. Raises ConflictError when the run is not over, DamagedRunError, StoreError."""
    # As it was written: the log of a run that is not over may be damaged too.
    record = record_on_disk(folder.parent, folder.name)
    if not record.is_over:
        raise ConflictError(f"{record.run_id} is {record.status}: only a run that is over can be taken from elsewhere.")
    return record


@contextmanager
def _receiving(path: Path) -> Iterator[Path]:
    """An empty folder of the same name as `path`, in one that is removed at the end.

    That one is locked as that of a new run is, so that the next start removes what a kill leaves of it.
    """
    unfinished = unfinished_path(path)
    clear_if_dead(unfinished)
    try:
        lease = made_with_lease(unfinished)
    except FileExistsError as error:
        raise ConflictError(f"{path.name} is being taken into {path.parent} by another process; wait for it.") from error
    try:
        folder = unfinished / path.name
        folder.mkdir()
        yield folder
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
        lease.release()


def _move(folder: Path, path: Path) -> None:
    # A folder would replace an empty one.
    if os.path.lexists(path):
        raise RunExistsError(f"there is a run {path.name} already")
    folder.rename(path)
