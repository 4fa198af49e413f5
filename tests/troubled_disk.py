"""Disks that are full, or that stand still, for as long as a test says so."""

import errno
from collections.abc import Iterable, Sequence
from threading import Event as Signal

from ops_orchestrator.runs.feed import Line


class FullDisk:
    """Flushes nothing while it is full. See Sync."""

    def __init__(self, *, is_full: bool = True) -> None:
        self.is_full = is_full

    def flush(self, paths: Iterable[str]) -> None:  # noqa: ARG002  # see Sync
        """See Sync."""
        if self.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")

    def close(self) -> None:
        """See Sync."""


class HeldDisk:
    """Holds a thread of a Writer until it is released: as a consumer the files, as a Sync the flush.

    It begins with the line `seq`, and with the flush of that number. `reached` is set when it holds a thread, and `flushed` has
    the paths of each flush.
    """

    def __init__(self, *, seq: int = 1, flush: int = 1) -> None:
        self.reached, self.released = Signal(), Signal()
        self.flushed: list[set[str]] = []
        self._seq, self._flush = seq, flush

    def take(self, lines: Sequence[Line]) -> None:
        """See Consumer."""
        if lines[-1].seq >= self._seq:
            self._hold()

    def flush(self, paths: Iterable[str]) -> None:
        """See Sync."""
        self.flushed.append(set(paths))
        if len(self.flushed) >= self._flush:
            self._hold()

    def close(self) -> None:
        """See Sync."""

    def _hold(self) -> None:
        self.reached.set()
        self.released.wait()
