"""Where a process keeps folders of runs that are in a bucket: those that it writes, and copies of those that it reads.

Nothing here outlives the process: what was not published did not happen, and the bucket has the rest. Each process has a folder
of its own, which it holds by a lock, so that the next one can tell what a dead one left.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from ops_orchestrator.runs.store.claimed_keys import alone_in
from ops_orchestrator.runs.store.reading import run_ids_in

_FOLDER: Final = ".objects"
_LOCK: Final = "lock"
_WRITTEN: Final = "written"
_COPIES: Final = "copies"


class Staging:
    """The folder of this process below `runs_dir`. Blocking; raises OSError."""

    def __init__(self, folder: Path, lock: int) -> None:
        self._folder = folder
        self._lock = lock
        self.written = folder / _WRITTEN
        self.copies = folder / _COPIES

    @classmethod
    def open(cls, runs_dir: Path) -> Self:
        """Make the folder of this process, and remove what dead ones left."""
        above = runs_dir / _FOLDER
        above.mkdir(parents=True, exist_ok=True)
        sweep(runs_dir)
        # Whoever sweeps meanwhile must not find it before it is locked.
        with alone_in(above):
            folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=above))
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX)
        staging = cls(folder, lock)
        staging.written.mkdir()
        staging.copies.mkdir()
        return staging

    def close(self) -> None:
        """Remove the folder; closing twice is harmless."""
        if self._lock >= 0:
            shutil.rmtree(self._folder, ignore_errors=True)
            os.close(self._lock)
            self._lock = -1


def sweep(runs_dir: Path) -> None:
    """Remove the folders of dead processes below `runs_dir`."""
    above = runs_dir / _FOLDER
    with alone_in(above):
        for folder in above.iterdir():
            if not _is_held(folder):
                shutil.rmtree(folder, ignore_errors=True)


def runs_written(runs_dir: Path) -> set[str]:
    """The runs that living processes of this machine write, as far as they share `runs_dir`."""
    return set[str]().union(*_written(runs_dir / _FOLDER))


def _written(above: Path) -> Iterator[set[str]]:
    for folder in above.iterdir():
        with suppress(OSError):  # its process has just ended
            if _is_held(folder):
                yield run_ids_in(folder / _WRITTEN)


def _is_held(folder: Path) -> bool:
    try:
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False
