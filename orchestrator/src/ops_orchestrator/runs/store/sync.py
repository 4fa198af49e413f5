"""Flushes to disk what runs wrote, many runs at once."""

import ctypes
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, Protocol

from ops_orchestrator.errors import ConfigurationError
from ops_orchestrator.runs.record import LOGS, MODULES, RECORD
from ops_orchestrator.settings import Durability, SyncMethod

_THREADS: Final = 16
_BEGINNINGS: Final = (f"/{LOGS}", f"/{MODULES}", f"/{RECORD}")


class Sync(Protocol):
    """Flushes files and folders to disk."""

    def flush(self, paths: Iterable[str]) -> None:
        """Return when all of `paths` are on disk. Raises OSError."""
        ...

    def close(self) -> None:
        """Let go of what is held open; closing twice is harmless."""
        ...


def sync_of(folder: Path, durability: Durability, method: SyncMethod) -> Sync:
    """How runs in `folder` are flushed. Raises ConfigurationError where the system has no syncfs, OSError."""
    if durability == "os":
        return NoSync()
    return FileSystemSync(folder) if method == "syncfs" else FileSync()


class NoSync:
    """Leaves it to the operating system."""

    def flush(self, paths: Iterable[str]) -> None:  # see Sync
        """See Sync."""

    def close(self) -> None:
        """See Sync."""


class FileSystemSync:
    """Flushes the whole file system that `folder` is on: one call for all runs, and for whatever others wrote there."""

    def __init__(self, folder: Path) -> None:
        library = ctypes.CDLL(None, use_errno=True)
        if not hasattr(library, "syncfs"):
            raise ConfigurationError("this system has no syncfs; set OPS_SYNC=fsync")
        self._syncfs = library.syncfs
        self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def flush(self, paths: Iterable[str]) -> None:  # noqa: ARG002  # there is one call for all
        """See Sync. Linux reports errors of writing since the folder was opened."""
        if self._syncfs(self._folder) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), "syncfs")

    def close(self) -> None:
        """See Sync."""
        folder, self._folder = self._folder, -1
        if folder >= 0:
            os.close(folder)


class FileSync:
    """Flushes each file and folder, several at once: for a file system that others write much to.

    What a run began with comes first. Where power fails in between, a run that lost its log or modules.json has nothing else on
    disk, by which recovery knows that nobody was told of it; and one without a whole run.json has no manifest yet.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_THREADS, "fsync")

    def flush(self, paths: Iterable[str]) -> None:
        """See Sync."""
        each = dict.fromkeys(paths)
        beginnings = [path for path in each if path.endswith(_BEGINNINGS)]
        for batch in (beginnings, each.keys() - set(beginnings)):
            for _ in self._pool.map(_flush, batch):
                pass

    def close(self) -> None:
        """See Sync."""
        self._pool.shutdown()


def _flush(path: str) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return  # it was moved, and is flushed where it is now, or it is not written yet
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
