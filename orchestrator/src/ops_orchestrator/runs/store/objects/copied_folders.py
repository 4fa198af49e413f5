"""Folders with copies of what is in a bucket, of bounded size: those that were used least recently go first."""

import shutil
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Generic, TypeVar


@dataclass
class CopiedFolder:
    """How many bytes are in a folder, which whoever writes there adds, and how many use it now."""

    bytes: int = 0
    users: int = 0


Kept = TypeVar("Kept", bound=CopiedFolder)


class CopiedFolders(Generic[Kept]):
    """The folders in `folder`, `most_bytes` of them but for those in use; `new` makes what is known of one. Blocking."""

    def __init__(self, folder: Path, most_bytes: int, new: Callable[[], Kept]) -> None:
        self.lock = Lock()
        """Whoever shares a folder with other threads adds to its bytes under it."""
        self._folder = folder
        self._most_bytes = most_bytes
        self._new = new
        self._known: OrderedDict[str, Kept] = OrderedDict()

    @contextmanager
    def used(self, name: str) -> Iterator[Kept]:
        """Use a folder, which stays until the end."""
        with self.lock:
            if name not in self._known:
                self._known[name] = self._new()
            known = self._known[name]
            self._known.move_to_end(name)
            known.users += 1
        try:
            yield known
        finally:
            with self.lock:
                known.users -= 1
                self._make_room()

    def _make_room(self) -> None:
        total = sum(known.bytes for known in self._known.values())
        for name, known in list(self._known.items()):
            if total <= self._most_bytes:
                return
            if not known.users:
                total -= known.bytes
                del self._known[name]
                shutil.rmtree(self._folder / name, ignore_errors=True)
