"""Which run holds which idempotency key: a symbolic link for each key, which only one process can make.

The links stand apart from the index, so that a key stays with its run while the index is made again.
"""

import fcntl
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from ops_orchestrator.runs.run_id import RUN_ID

FOLDER_NAME: Final = ".keys"
_KEY: Final = re.compile(r"[0-9a-f]{64}")
_LONGEST_CREATION_S: Final = 60.0


class ClaimedKeys:
    """The keys of the runs in the folder `store`, by their SHA-256. Safe among threads and processes. Raises OSError."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self.folder = store / FOLDER_NAME
        self._complete = self.folder / "complete"

    def make_folder(self) -> bool:
        """Make the folder of the keys; whether it does not have the keys of all runs, which must be given to `keep` then."""
        with suppress(OSError):  # runs that cannot be written can be listed all the same
            if self.folder.is_symlink():
                self.folder.unlink()  # it would lead out of the store
            self.folder.mkdir(exist_ok=True)
        return not self.are_complete

    @property
    def are_complete(self) -> bool:
        """Whether all runs that were in the store before now have their keys."""
        return self._complete.exists()

    def complete(self) -> None:
        """Note that all runs have their keys."""
        with suppress(OSError):
            self._complete.touch()

    def claim(self, key_sha256: str, run_id: str) -> str:
        """The id of the run that holds the key, `run_id` when nobody held it.

        A run that has not been made within a minute does not hold a key any more.
        """
        link = self._link(key_sha256)
        while True:
            try:
                link.symlink_to(run_id)
            except FileExistsError:
                if (holder := self._holder(link)) is not None and not self._is_dead(link, holder):
                    return holder
                if holder is not None:
                    self._remove(link, holder)
            else:
                return run_id

    def keep(self, key_sha256: str | None, run_id: str) -> None:
        """Give the key that a stored run says it has to that run, unless another holds it, or it is not a key at all."""
        if key_sha256 is not None and _KEY.fullmatch(key_sha256):
            with suppress(FileExistsError):
                self._link(key_sha256).symlink_to(run_id)

    def release(self, key_sha256: str | None, run_id: str) -> None:
        """Free the key if `run_id` holds it."""
        if key_sha256 is not None and _KEY.fullmatch(key_sha256):
            self._remove(self._link(key_sha256), run_id)

    def _link(self, key_sha256: str) -> Path:
        if not _KEY.fullmatch(key_sha256):
            raise ValueError(f"{key_sha256[:80]!r} is not a SHA-256 in lower-case hexadecimal digits")
        return self.folder / key_sha256

    def _holder(self, link: Path) -> str | None:
        with suppress(FileNotFoundError):
            return str(link.readlink())
        return None

    def _is_dead(self, link: Path, holder: str) -> bool:
        """Whether the holder was never made, or is gone: its process may have died between claiming and making it."""
        if not RUN_ID.fullmatch(holder):
            return True
        if os.path.lexists(self._store / holder):
            return False
        with suppress(FileNotFoundError):
            return time.time() - link.lstat().st_mtime > _LONGEST_CREATION_S
        return False

    def _remove(self, link: Path, holder: str) -> None:
        # Locked: between a look at the link and its removal, it could become that of another run.
        with alone_in(self._store):
            if self._holder(link) == holder:
                link.unlink(missing_ok=True)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Wait until no other process that came this way is in `folder`. Raises OSError when it cannot be opened."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # not every file system can lock
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
