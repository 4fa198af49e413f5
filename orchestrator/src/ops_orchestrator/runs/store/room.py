"""The room that a store may take: what has to be free before a run starts, and a reserve for the last records of runs.

A disk may be filled by others too, so that the reserve is a file of that size: it is given up when the end of a run cannot be
written otherwise, and made again when there is room.
"""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol, TypeVar

from ops_orchestrator.errors import NoRoomError
from ops_orchestrator.sizes import bytes_text

RESERVE: Final = ".reserve"
"""The name of the reserve's file in the store."""

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
"""The errors of a disk, or of a user's share of it, that has no room."""

_MOST_RESERVED_BYTES: Final = 8 * 1024 * 1024
_SHARE_RESERVED: Final = 8

Result = TypeVar("Result")


class Size(Protocol):
    """How much a store takes."""

    def add(self, size: int, /) -> None:
        """Note that so many bytes were written."""
        ...

    def bytes(self) -> int | None:
        """The bytes of all files, as far as they were counted; None while that is not known yet."""
        ...

    def count_soon(self) -> None:
        """Count again before long: somebody may have made room."""
        ...


class Room:
    """The room for runs in `folder`, whose disk must have `min_free_bytes` free, and of which runs take at most `most_bytes`.

    With `min_free_bytes` of 0 nothing is reserved. Safe to use from several threads, and by several processes.
    """

    def __init__(self, folder: Path, min_free_bytes: int = 0, most_bytes: int | None = None, size: Size | None = None) -> None:
        self._folder = folder
        self._min_free_bytes = min_free_bytes
        self._most_bytes = most_bytes
        self._size = size
        self._is_made = False
        self._reserve = folder / RESERVE
        self._reserve_bytes = min(min_free_bytes // _SHARE_RESERVED, _MOST_RESERVED_BYTES)

    def check(self) -> None:
        """Raise NoRoomError when no run may start now; makes the reserve again if it was given up."""
        if (reason := self.lacking()) is not None:
            raise NoRoomError(f"{reason[:1].upper()}{reason[1:]}.")
        self._reserve_again()

    def lacking(self) -> str | None:
        """Why there is no room for another run, in a clause; None when there is."""
        if self._min_free_bytes:
            free = self._free_bytes()
            if free is not None and free < self._min_free_bytes:
                least = f"{bytes_text(self._min_free_bytes)} that OPS_MIN_FREE_BYTES keeps free"
                return f"the disk of {self._folder} has {bytes_text(free)} free, less than the {least}"
        if self._size is None or self._most_bytes is None:
            return None
        taken = self._size.bytes()
        if taken is not None and taken >= self._most_bytes:
            self._size.count_soon()
            most = f"{bytes_text(self._most_bytes)} that OPS_MAX_STORE_BYTES allows"
            return f"the runs in {self._folder} take {bytes_text(taken)}, as much as the {most}"
        return None

    def give_up_reserve(self) -> bool:
        """Make room for last records; False when there is no reserve."""
        try:
            self._reserve.unlink()
        except OSError:
            return False
        return True

    def wrote(self, size: int) -> None:
        """Note that this process has written so many bytes."""
        if self._size is not None:
            self._size.add(size)

    def close(self) -> None:
        """Remove the reserve that was made here: when nobody writes, there is no last record to keep room for."""
        if self._is_made:
            self.give_up_reserve()

    def _reserve_again(self) -> None:
        """Make the reserve, unless it is there, or would leave less free than runs need to start."""
        if not self._reserve_bytes or os.path.lexists(self._reserve):
            return
        free = self._free_bytes()
        if free is None or free < self._min_free_bytes + self._reserve_bytes:
            return
        try:
            descriptor = os.open(self._reserve, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError:
            return
        try:
            os.posix_fallocate(descriptor, 0, self._reserve_bytes)
            self._is_made = True
        except OSError:  # not every file system can
            self.give_up_reserve()
        finally:
            os.close(descriptor)

    def _free_bytes(self) -> int | None:
        """What the user of this process can still write; None when the system does not say."""
        try:
            disk = os.statvfs(self._folder)
        except OSError:
            return None
        return disk.f_bavail * disk.f_frsize


def with_reserve(room: Room | None, write: Callable[[], Result]) -> Result:
    """What `write` returns, which is called again when the disk was full and the reserve could be given up."""
    try:
        return write()
    except OSError as error:
        if error.errno not in FULL or room is None or not room.give_up_reserve():
            raise
    return write()
