"""How much a store takes, counted in the background: a walk through 100,000 folders is nothing for a request to wait for."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from ops_orchestrator.runs.record import MANIFEST
from ops_orchestrator.runs.run_id import RUN_ID
from ops_orchestrator.runs.store.reading import version_of
from ops_orchestrator.runs.store.removal import size_of
from ops_orchestrator.runs.store.room import RESERVE
from ops_orchestrator.runs.store.rounds import Rounds

_EVERY_S: Final = 60.0
_HURRIED_EVERY_S: Final = 5.0
_PAUSE_AFTER: Final = 200
_PAUSE_S: Final = 0.01


class StoreSize:
    """The bytes of all files in `folder`, counted once a minute, or sooner if wanted, and what this process has written since.

    The files of a run that is over are counted once. See Size.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._counted: int | None = None
        self._written = self._written_before = 0
        self._known: dict[str, tuple[str, int]] = {}
        self._rounds = Rounds("run-sizes", self._count_again, _EVERY_S, _HURRIED_EVERY_S)

    def bytes(self) -> int | None:
        """See Size."""
        return None if self._counted is None else self._counted + self._written - self._written_before

    def add(self, size: int) -> None:
        """Note that so many bytes were written."""
        self._written += size

    def count_soon(self) -> None:
        """See Size."""
        self._rounds.hurry()

    def start(self) -> None:
        """Begin to count."""
        self._rounds.start()

    def stop(self) -> None:
        """End within the look at a few runs."""
        self._rounds.stop()

    def _count_again(self) -> None:
        before = self._written
        with suppress(OSError):  # the store cannot be read for now
            self._counted = self._count()
            self._written_before = before

    def _count(self) -> int:
        """Walk through the store. Raises OSError."""
        total, known = 0, {}
        with os.scandir(self._folder) as entries:
            for number, entry in enumerate(entries, start=1):
                if number % _PAUSE_AFTER == 0 and self._rounds.wait(_PAUSE_S):
                    break
                size, version = self._size_of(entry)
                if version is not None:
                    known[entry.name] = (version, size)
                total += size
        self._known = known
        return total

    def _size_of(self, entry: "os.DirEntry[str]") -> tuple[int, str | None]:
        """The size of an entry, and the version of its record if that is a run which is over."""
        if entry.name == RESERVE:  # room that is kept, and not taken by runs
            return 0, None
        if not entry.is_dir(follow_symlinks=False):
            return entry.stat(follow_symlinks=False).st_size, None
        if not RUN_ID.fullmatch(entry.name):
            return size_of(Path(entry.path)), None
        version = version_of(self._folder, entry.name)
        if version is not None and version == self._known.get(entry.name, (None, 0))[0]:
            return self._known[entry.name][1], version
        is_over = os.path.lexists(f"{entry.path}/{MANIFEST}")
        return size_of(Path(entry.path)), version if is_over else None
