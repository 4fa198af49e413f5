"""The lines of runs for those who watch them live. Nobody polls: a line wakes its watchers."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Final, Literal

from ops_orchestrator.runs.feed import Line

MOST_WAITING_LINES: Final = 1000
MOST_WAITING_BYTES: Final = 1024 * 1024


class Watcher:
    """One who watches one run. Lines wait in a queue, and whoever lets too many of them wait is dropped."""

    def __init__(self, most_lines: int, most_bytes: int) -> None:
        self.ended: Literal["too slow", "stopping"] | None = None
        self._most_lines = most_lines
        self._most_bytes = most_bytes
        self._lines: list[Line] = []
        self._bytes = 0
        self._changed = asyncio.Event()

    @property
    def has_lines(self) -> bool:
        """Whether lines wait to be taken."""
        return bool(self._lines)

    async def take(self, within_s: float) -> list[Line]:
        """The lines that wait, in their order; waits for the first of them. None are left once it has ended.

        Raises TimeoutError when nothing came within `within_s` seconds.
        """
        if not self._lines and self.ended is None:
            self._changed.clear()
            async with asyncio.timeout(within_s):
                await self._changed.wait()
        taken, self._lines, self._bytes = self._lines, [], 0
        return taken

    def put(self, line: Line) -> None:
        """Let `line` wait. One that is larger than the queue has it to itself."""
        if self.ended is not None:
            return
        is_full = len(self._lines) >= self._most_lines or self._bytes + len(line.data) > self._most_bytes
        if self._lines and is_full:
            # The log has the lines, too: the watcher goes on there, when it comes again.
            self._lines.clear()
            self.end("too slow")
            return
        self._lines.append(line)
        self._bytes += len(line.data)
        self._changed.set()

    def end(self, reason: Literal["too slow", "stopping"]) -> None:
        """Let no more lines wait."""
        self.ended = self.ended or reason
        self._changed.set()


class EventStream:
    """Gives the lines of runs to any number of watchers on one event loop. See Consumer; `take` alone is thread-safe."""

    def __init__(self, most_waiting_lines: int = MOST_WAITING_LINES, most_waiting_bytes: int = MOST_WAITING_BYTES) -> None:
        self._bounds = (most_waiting_lines, most_waiting_bytes)
        self._lock = Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._watchers: dict[str, set[Watcher]] = {}
        self._is_closed = False

    def take(self, lines: Sequence[Line]) -> None:
        """See Consumer. Lines that nobody watches cost the event loop nothing."""
        with self._lock:
            watched = [line for line in lines if line.run_id in self._watchers]
            # Under the lock, since the loop may end as soon as the stream is closed.
            if watched and self._loop is not None and not self._is_closed:
                self._loop.call_soon_threadsafe(self._deliver, watched)

    @contextmanager
    def follow(self, run_id: str) -> Iterator[Watcher]:
        """Watch a run: every line that is written from now on comes to the watcher. It is forgotten at the end."""
        watcher = Watcher(*self._bounds)
        with self._lock:
            self._loop = asyncio.get_running_loop()
            self._watchers.setdefault(run_id, set()).add(watcher)
            if self._is_closed:
                watcher.end("stopping")
        try:
            yield watcher
        finally:
            with self._lock:
                watchers = self._watchers[run_id]
                watchers.discard(watcher)
                if not watchers:
                    del self._watchers[run_id]

    def close(self) -> None:
        """End all watchers after the lines that they have not taken yet, and those that come later at once."""
        with self._lock:
            self._is_closed = True
            if self._loop is not None:
                # Behind the lines that are on their way.
                self._loop.call_soon_threadsafe(self._end)

    def _deliver(self, lines: Sequence[Line]) -> None:
        for line in lines:
            for watcher in self._watchers.get(line.run_id, ()):
                watcher.put(line)

    def _end(self) -> None:
        for watchers in self._watchers.values():
            for watcher in watchers:
                watcher.end("stopping")
