"""The folder of a sweep while it is executed, whose lock is held. Blocking."""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Self

from ops_orchestrator.errors import StoreError
from ops_orchestrator.runs.json_text import json_document
from ops_orchestrator.runs.store.lease import FolderLease
from ops_orchestrator.runs.store.plain_file import read_below
from ops_orchestrator.runs.store.run_folder import write_all
from ops_orchestrator.runs.store.sync import Sync
from ops_orchestrator.runs.sweeps.points_log import PointOutcome
from ops_orchestrator.runs.sweeps.state import SweepState
from ops_orchestrator.runs.sweeps.sweep_place import (
    CANCEL,
    LONGEST_WORD_BYTES,
    OWN,
    POINTS,
    REQUEST,
    STATE,
    Cancellation,
    Pace,
    cancellation_of,
)

_PART: Final = ".part"
_PACE: Final = Pace(gather_s=0.05, save_s=1.0, look_s=0.2)


class SweepFolder:
    """Writes in the folder `path` of a sweep. Its files become whole at once, and `settle` flushes them. See SweepWriter.

    Raises StoreError when something cannot be written, such as on a full disk.
    """

    # A hop to a thread for each point would cost more than the point's line; a line that is lost is found again by its run.
    pace = _PACE

    def __init__(self, path: Path, lease: FolderLease, sync: Sync) -> None:
        self.path = path
        self._lease = lease
        self._sync = sync

    @classmethod
    def create(cls, path: Path, state: SweepState, request: bytes, sync: Sync) -> Self:
        """Make the folder with its first documents and flush it. Raises FileExistsError when the name is taken, OSError."""
        path.mkdir()
        folder = cls(path, FolderLease.create(path / POINTS), sync)
        try:
            folder.write(REQUEST, [request])
            # The last one: what has no state is not a sweep yet.
            folder.save(state)
            folder.settle()
        except BaseException:
            folder.release()
            # Or `latest` would stand for what is not a sweep.
            shutil.rmtree(path, ignore_errors=True)
            raise
        return folder

    @classmethod
    def take(cls, path: Path, sync: Sync) -> Self | None:
        """Open the folder of a sweep to go on with it; None when somebody executes it. Raises OSError."""
        log = path / POINTS
        # Nothing is lost with the log of the points: their runs are found again by their keys.
        is_lost = (path / STATE).exists() and not log.exists()
        lease = FolderLease.create(log) if is_lost else FolderLease.take(log)
        return None if lease is None else cls(path, lease, sync)

    def lines(self) -> Iterator[bytes]:
        """The lines about points that are over; after the last, one that was written in part is taken away."""
        size = 0
        with self._writing():
            with (self.path / POINTS).open("rb") as file:
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    size += len(line)
                    yield line
            descriptor = self._lease.log.fileno()
            os.ftruncate(descriptor, size)
            os.lseek(descriptor, 0, os.SEEK_END)

    def add(self, outcomes: Iterable[PointOutcome]) -> None:
        """Note what became of points."""
        with self._writing():
            write_all(self._lease.log.fileno(), b"".join(outcome.as_line() for outcome in outcomes))

    def save(self, state: SweepState) -> None:
        """Write the state; a reader sees the old one or the new one, never a part."""
        self.write(STATE, [json_document(state.model_dump(mode="json"))])

    def write(self, name: str, pieces: Iterable[bytes]) -> None:
        """Write a file of the sweep, as `save` does."""
        part = self.path / f"{name}{_PART}"
        with self._writing():
            with part.open("wb") as file:
                file.writelines(pieces)
            part.replace(self.path / name)

    def begin_again(self, state: SweepState) -> None:
        """Remove what was made of the points that were over, and the word to cancel the sweep; then write the new state."""
        with self._writing():
            entries = list(os.scandir(self.path))
        for entry in entries:
            if entry.name not in OWN:
                with suppress(OSError):
                    Path(entry.path).unlink()
        self.save(state)
        self.settle()

    @property
    def cancelled(self) -> Cancellation | None:
        """Who wants the sweep to be cancelled; None when nobody does."""
        try:
            return cancellation_of(read_below(self.path, CANCEL, LONGEST_WORD_BYTES))
        except OSError:
            return None

    def settle(self) -> None:
        """Return when all that was written is on disk, as far as OPS_DURABILITY asks for."""
        with self._writing():
            self._sync.flush(self._paths())

    def release(self) -> None:
        """Let others execute the sweep."""
        self._lease.release()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(f"cannot write in {self.path}: {error.strerror}") from error

    def _paths(self) -> Iterator[str]:
        yield from (entry.path for entry in os.scandir(self.path))
        yield from (str(self.path), str(self.path.parent), str(self.path.parent.parent))
