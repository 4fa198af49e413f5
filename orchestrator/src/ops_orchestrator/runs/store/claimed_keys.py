"""Which run holds which idempotency key: a symbolic link for each key, which only one process can make.

The links stand apart from the index, so that a key stays with its run while the index is made again. Whoever makes the run of a
key holds a lock beside the link until the run is in place: a link to no run, without a lock, was left by a process that died.
"""

import errno
import fcntl
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from ops_orchestrator.runs.run_id import RUN_ID
from ops_orchestrator.runs.store.lock_file import LockFile

FOLDER_NAME: Final = ".keys"
_KEY: Final = re.compile(r"[0-9a-f]{64}")
_LOCK: Final = ".making"


def is_key(text: str) -> bool:
    """Whether this is a SHA-256, as keys are."""
    return _KEY.fullmatch(text) is not None


class NoKeys:
    """The keys of a store that is only read: nobody claims one, and none is kept. See ClaimedKeys."""

    are_complete = True

    def __init__(self, store: Path) -> None:
        self.folder = store / FOLDER_NAME

    def make_folder(self) -> bool:
        """See ClaimedKeys."""
        return False

    def complete(self) -> None:
        """See ClaimedKeys."""

    def claim(self, key_sha256: str, run_id: str) -> str | None:
        """See ClaimedKeys."""
        raise NotImplementedError(f"{run_id} is not made in a store that is only read, with a key or without: {key_sha256}")

    def keep(self, key_sha256: str | None, run_id: str) -> None:
        """See ClaimedKeys."""

    def release(self, key_sha256: str | None, run_id: str) -> None:
        """See ClaimedKeys."""

    def close(self) -> None:
        """See ClaimedKeys."""


class ClaimedKeys:
    """The keys of the runs in the folder `store`, by their SHA-256. Safe among threads and processes. Raises OSError.

    `ids` is what their names look like, where they are not runs, and `is_made` says whether there is one, where the folder does
    not.
    """

    def __init__(self, store: Path, ids: re.Pattern[str] = RUN_ID, is_made: Callable[[str], bool] | None = None) -> None:
        self._store = store
        self._ids = ids
        self._is_there = is_made or (lambda holder: os.path.lexists(store / holder))
        self.folder = store / FOLDER_NAME
        self._complete = self.folder / "complete"
        self._making: dict[str, LockFile] = {}

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

    def claim(self, key_sha256: str, run_id: str) -> str | None:
        """The id of the run that holds the key: `run_id` when nobody held it, which now does; None while its run is being made.

        A run that is not made, because it was released or because its process ended, does not hold the key any more.
        """
        link = self._link(key_sha256)
        holder = self._holder(link)
        if holder is not None and self._is_made(holder):
            return holder
        lock = LockFile.take(_lock_of(link))
        if lock is None:
            return None
        self._making[run_id] = lock
        holder = None
        try:
            holder = self._hold(link, run_id)
        finally:
            if holder != run_id:
                self._unlock(run_id)
        return holder

    def keep(self, key_sha256: str | None, run_id: str) -> None:
        """Give the key that a stored run says it has to that run, unless another holds it, or it is not a key at all."""
        if key_sha256 is not None and is_key(key_sha256):
            try:
                with suppress(FileExistsError):
                    self._link(key_sha256).symlink_to(run_id)
            finally:
                self._unlock(run_id)

    def release(self, key_sha256: str | None, run_id: str) -> None:
        """Free the key if `run_id` holds it."""
        if key_sha256 is not None and is_key(key_sha256):
            try:
                self._remove(self._link(key_sha256), run_id)
            finally:
                self._unlock(run_id)

    def free(self, key_sha256: str) -> None:
        """Free a key whose run was never made, unless it is being made."""
        link = self._link(key_sha256)
        lock = LockFile.take(_lock_of(link))
        if lock is None:
            return
        try:
            holder = self._holder(link)
            if holder is not None and not self._is_made(holder):
                self._remove(link, holder)
        finally:
            lock.release()

    def close(self) -> None:
        """Give up the keys of runs that are still being made."""
        for run_id in tuple(self._making):
            self._unlock(run_id)

    def _link(self, key_sha256: str) -> Path:
        if not is_key(key_sha256):
            raise ValueError(f"{key_sha256[:80]!r} is not a SHA-256 in lower-case hexadecimal digits")
        return self.folder / key_sha256

    def _holder(self, link: Path) -> str | None:
        try:
            return str(link.readlink())
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            # Which run held the key is lost here, and known to the run: to free the key could start it a second time.
            reason = f"{link.name} is not a link; delete {self.folder}, which is then made again from the runs"
            raise OSError(errno.EINVAL, reason) from error

    def _is_made(self, holder: str) -> bool:
        return self._ids.fullmatch(holder) is not None and self._is_there(holder)

    def _hold(self, link: Path, run_id: str) -> str:
        """Have `run_id` hold the key, whose lock is held, unless a run that is made holds it; returns the holder."""
        while (holder := self._holder(link)) is None or not self._is_made(holder):
            if holder is not None:
                self._remove(link, holder)
            with suppress(FileExistsError):
                link.symlink_to(run_id)
                return run_id
        return holder

    def _unlock(self, run_id: str) -> None:
        lock = self._making.pop(run_id, None)
        if lock is not None:
            lock.release()

    def _remove(self, link: Path, holder: str) -> None:
        # Locked: between a look at the link and its removal, it could become that of another run.
        with alone_in(self._store):
            if self._holder(link) == holder:
                link.unlink(missing_ok=True)


def free_abandoned_keys(store: Path, is_made: Callable[[str], bool] | None = None) -> None:
    """Free the keys in the folder `store` for which a process died while it made their runs; `is_made` is as in ClaimedKeys."""
    keys = ClaimedKeys(store, is_made=is_made)
    with suppress(OSError):  # what cannot be freed now, the next claim frees
        for name in os.listdir(keys.folder):  # noqa: PTH208  # there may be as many names as runs
            if name.endswith(_LOCK) and is_key(name.removesuffix(_LOCK)):
                keys.free(name.removesuffix(_LOCK))


def _lock_of(link: Path) -> Path:
    return link.with_name(link.name + _LOCK)


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
