"""Sweeps on disk: a folder for each, below `sweeps/` in the folder of the runs. See SweepPlace.

Whoever executes a sweep holds a lock on its points.jsonl.
"""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from ops_orchestrator.runs.run_id import SWEEP_ID
from ops_orchestrator.runs.store.claimed_keys import ClaimedKeys
from ops_orchestrator.runs.store.lease import has_no_holder
from ops_orchestrator.runs.store.plain_file import OpenFile, files_in, open_below, read_below
from ops_orchestrator.runs.store.sync import Sync
from ops_orchestrator.runs.sweeps.state import SweepState
from ops_orchestrator.runs.sweeps.sweep_folder import SweepFolder
from ops_orchestrator.runs.sweeps.sweep_place import CANCEL, LARGEST_FILE_BYTES, LONGEST_LINE_BYTES, POINTS, Asked, Found

FOLDER_NAME: Final = "sweeps"
_ADOPTED: Final = ".adopted"


class FolderPlace:
    """The sweeps of the runs in `runs_folder`, which is there. See SweepPlace for its methods."""

    def __init__(self, runs_folder: Path, sync: Sync) -> None:
        self._folder = runs_folder / FOLDER_NAME
        self._sync = sync
        self._keys = ClaimedKeys(self._folder, SWEEP_ID)

    def close(self) -> None:
        """See SweepPlace."""
        self._keys.close()
        self._sync.close()

    def location(self, sweep_id: str) -> Path:
        """See SweepPlace."""
        return self._folder / sweep_id

    def ids(self) -> list[str]:
        """See SweepPlace."""
        try:
            return os.listdir(self._folder)  # noqa: PTH208  # names are all that is wanted
        except FileNotFoundError:
            return []

    def has(self, sweep_id: str) -> bool:
        """See SweepPlace."""
        return self.location(sweep_id).is_dir()

    def files(self, sweep_id: str) -> list[str]:
        """See SweepPlace."""
        return files_in(self._folder, sweep_id)[0]

    def read(self, sweep_id: str, name: str) -> bytes:
        """See SweepPlace."""
        return read_below(self._folder, f"{sweep_id}/{name}", LARGEST_FILE_BYTES)

    def open(self, sweep_id: str, name: str) -> OpenFile:
        """See SweepPlace."""
        return OpenFile.below(self._folder, f"{sweep_id}/{name}")

    def lines(self, sweep_id: str) -> Iterator[bytes]:
        """See SweepPlace."""
        with open_below(self._folder, f"{sweep_id}/{POINTS}") as file:
            yield from iter(lambda: file.readline(LONGEST_LINE_BYTES), b"")

    def create(self, state: SweepState, request: bytes) -> SweepFolder:
        """See SweepPlace."""
        self._folder.mkdir(exist_ok=True)
        return SweepFolder.create(self.location(state.sweep_id), state, request, self._sync)

    def adopt(self, sweep_id: str, files: Iterable[tuple[str, Iterable[bytes]]]) -> None:
        """See SweepPlace."""
        if self.has(sweep_id):
            raise FileExistsError(sweep_id)
        self._folder.mkdir(exist_ok=True)
        # One that a killed process left may be there.
        made = self._folder / f".{sweep_id}{_ADOPTED}"
        shutil.rmtree(made, ignore_errors=True)
        try:
            made.mkdir()
            for name, pieces in files:
                with (made / name).open("xb") as file:
                    file.writelines(pieces)
            self._sync.flush([*map(str, made.iterdir()), str(made)])
            made.rename(self.location(sweep_id))
            self._sync.flush([str(self._folder)])
        finally:
            shutil.rmtree(made, ignore_errors=True)

    def take(self, sweep_id: str) -> SweepFolder | None:
        """See SweepPlace."""
        return SweepFolder.take(self.location(sweep_id), self._sync)

    def has_no_holder(self, sweep_id: str) -> bool:
        """See SweepPlace."""
        log = self.location(sweep_id) / POINTS
        return not log.exists() or has_no_holder(log)

    def ask_to_cancel(self, sweep_id: str, word: bytes) -> None:
        """See SweepPlace."""
        (self.location(sweep_id) / CANCEL).write_bytes(word)

    def claim(self, key_sha256: str, sweep_id: str) -> str | None:
        """See SweepPlace."""
        self._folder.mkdir(exist_ok=True)
        self._keys.make_folder()
        return self._keys.claim(key_sha256, sweep_id)

    def keep_key(self, key_sha256: str, sweep_id: str) -> None:
        """See SweepPlace."""
        self._keys.keep(key_sha256, sweep_id)

    def release_key(self, key_sha256: str, sweep_id: str) -> None:
        """See SweepPlace."""
        self._keys.release(key_sha256, sweep_id)

    @staticmethod
    def each(find: Callable[[Asked], Found], asked: Iterable[Asked]) -> Iterable[Found]:
        """See SweepPlace."""
        return map(find, asked)
