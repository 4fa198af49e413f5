"""Removes the folders of runs so that, wherever it is interrupted, nobody finds half a run."""

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from ops_orchestrator.runs.record import LOGS
from ops_orchestrator.runs.store.lease import FolderLease
from ops_orchestrator.runs.store.plain_file import NotPlainError
from ops_orchestrator.runs.store.reading import read_record

_REMOVED: Final = ".drop-"


def take_away(store: Path, run_id: str) -> Path | None:
    """Rename the folder of a run, so that there is no such run any more; returns where it is now, to be deleted.

    None when the run is not over, or somebody has its lease. Raises NotFoundError, DamagedRunError, StoreError, OSError.
    """
    folder, removed = store / run_id, store / f"{_REMOVED}{run_id}"
    lease: FolderLease | None = None
    with suppress(FileNotFoundError, NotPlainError):  # a run that is over needs no log to be removed
        lease = FolderLease.take(folder / LOGS)
        if lease is None:
            return None
    try:
        # Read under the lease: the run may have been resumed.
        if read_record(store, run_id).finished_at is None:
            return None
        folder.rename(removed)
    finally:
        if lease is not None:
            lease.release()
    return removed


def delete_removed(store: Path) -> None:
    """Delete what is left of runs that were being removed when a process died. Raises OSError when `store` cannot be read."""
    for name in os.listdir(store):  # noqa: PTH208  # as in run_ids_in
        if name.startswith(_REMOVED):
            shutil.rmtree(store / name, ignore_errors=True)


def size_of(folder: Path) -> int:
    """How many bytes the files below a folder have; 0 when it is gone."""
    return sum(_sizes(os.fspath(folder)))


def _sizes(folder: str) -> Iterator[int]:
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _sizes(entry.path)
            else:
                yield entry.stat(follow_symlinks=False).st_size
