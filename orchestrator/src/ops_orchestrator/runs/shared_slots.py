"""A number of slots that several processes share. Each is a byte of a file, locked by whoever has the slot."""

import fcntl
import os
import struct
from collections.abc import Iterable
from typing import Final

from ops_orchestrator.errors import ConfigurationError

# struct flock: type, whence, start, length, pid; the last one stays 0 for locks of this kind.
_FLOCK: Final = struct.Struct("@hhqqi4x")


class SharedSlots:
    """`count` slots, which are the bytes from `first` on of the open file `descriptor`.

    The locks belong to the open file, so the system frees the slots of a process that dies, however it dies.
    """

    def __init__(self, descriptor: int, first: int, count: int) -> None:
        self._descriptor = descriptor
        self._first = first
        self._count = count
        self._taken: list[int] = []

    @property
    def taken(self) -> int:
        """How many slots this process has."""
        return len(self._taken)

    def take(self) -> bool:
        """Take a slot, if one is free. Raises OSError."""
        for slot in self._not_taken_here():
            if self._lock(fcntl.F_WRLCK, slot):
                self._taken.append(slot)
                return True
        return False

    def give_back(self) -> None:
        """Give a slot back, whichever: they are all the same."""
        self._lock(fcntl.F_UNLCK, self._taken.pop())

    def are_taken_elsewhere(self) -> bool:
        """Whether other processes have slots."""
        if self._count == 0:
            return False  # a length of 0 would mean everything up to the end of the file
        range_lock = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, self._first, self._count, 0)
        kind, *_ = _FLOCK.unpack(fcntl.fcntl(self._descriptor, fcntl.F_OFD_GETLK, range_lock))
        return bool(kind != fcntl.F_UNLCK)

    def _not_taken_here(self) -> Iterable[int]:
        taken = set(self._taken)
        return (slot for slot in range(self._first, self._first + self._count) if slot not in taken)

    def _lock(self, kind: int, slot: int) -> bool:
        try:
            fcntl.fcntl(self._descriptor, fcntl.F_OFD_SETLK, _FLOCK.pack(kind, os.SEEK_SET, slot, 1, 0))
        except (BlockingIOError, PermissionError):  # POSIX leaves the choice
            return False
        return True


def require_shared_slots() -> None:
    """Raises ConfigurationError where the system has no locks that belong to an open file."""
    if not hasattr(fcntl, "F_OFD_SETLK"):
        raise ConfigurationError("this system has no locks of open files, which several workers need; set OPS_WORKERS=1")
