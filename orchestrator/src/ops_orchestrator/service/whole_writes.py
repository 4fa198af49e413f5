"""A log that several processes write to the same place: what one of them writes at once is not torn by another."""

import fcntl
import io
import os
from pathlib import Path
from threading import Lock
from typing import Any


class WholeWrites(io.RawIOBase):
    """Writes to the open file `descriptor` while no other process that locks the file `lock` does.

    Alone, only 4096 bytes are sure to stay together in a pipe, which a traceback or a few lines of runs exceed.
    """

    def __init__(self, descriptor: int, lock: Path) -> None:
        self._descriptor = descriptor
        self._file = lock.open("ab")
        self._lock = Lock()

    def writable(self) -> bool:
        """See RawIOBase."""
        return True

    def isatty(self) -> bool:
        """See RawIOBase."""
        return os.isatty(self._descriptor)

    def fileno(self) -> int:
        """See RawIOBase."""
        return self._descriptor

    def write(self, data: Any) -> int:
        """Write all of it."""
        rest = memoryview(data).cast("B")
        size = len(rest)
        with self._lock:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                while rest:
                    rest = rest[os.write(self._descriptor, rest) :]
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)
        return size

    def close(self) -> None:
        """Let go of the lock; the file that is written stays open."""
        self._file.close()
        super().close()


def whole_lines(descriptor: int, lock: Path) -> io.TextIOWrapper:
    """Text for `descriptor`, each `write` of which stays together."""
    # Without a buffer in between, which would cut long texts.
    raw: Any = WholeWrites(descriptor, lock)
    return io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", write_through=True)
