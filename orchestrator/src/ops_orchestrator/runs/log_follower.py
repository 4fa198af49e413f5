"""The lines of runs that other processes execute, for those who watch them live: read from their logs when there is news."""

import asyncio
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final, Literal, Protocol

from ops_orchestrator.errors import NotFoundError, StoreError
from ops_orchestrator.runs.feed import Line
from ops_orchestrator.runs.store.protocols import RunStore

# Should news be lost.
_LOOK_EVERY_S: Final = 2.0
_SOON_S: Final = 0.05


class RunWatcher(Protocol):
    """One who watches one run. See Watcher."""

    ended: Literal["too slow", "stopping"] | None

    @property
    def has_lines(self) -> bool:
        """Whether lines wait to be taken."""
        ...

    async def take(self, within_s: float) -> list[Line]:
        """The lines that wait, or come within `within_s` seconds; some may have been there before. Raises TimeoutError."""
        ...


class FollowsRuns(Protocol):
    """Who brings the lines of runs to those who watch them. See EventStream."""

    def follow(self, run_id: str) -> AbstractContextManager[RunWatcher]:
        """Watch a run; it is forgotten at the end."""
        ...

    def close(self) -> None:
        """End all watchers."""
        ...


class _Watch(Protocol):
    @property
    def grew(self) -> asyncio.Event: ...


class HearsOfRuns(Protocol):
    """Who hears that the log of a run grew."""

    def of(self, run_id: str) -> AbstractContextManager[_Watch]:
        """Hear of a run."""
        ...


class LogFollower:
    """Follows the runs in `store`, of which there is `news`. See FollowsRuns."""

    def __init__(self, store: RunStore, news: HearsOfRuns) -> None:
        self._store = store
        self._news = news
        self._watchers: set[_LogWatcher] = set()

    @contextmanager
    def follow(self, run_id: str) -> Iterator[RunWatcher]:
        """See FollowsRuns."""
        with self._news.of(run_id) as news:
            watcher = _LogWatcher(self._store, run_id, news.grew)
            self._watchers.add(watcher)
            try:
                yield watcher
            finally:
                self._watchers.discard(watcher)

    def close(self) -> None:
        """See FollowsRuns."""
        for watcher in self._watchers:
            watcher.end()


class _LogWatcher:
    """Reads the log of a run, from its first line on, as it grows."""

    has_lines = False

    def __init__(self, store: RunStore, run_id: str, grew: asyncio.Event) -> None:
        self.ended: Literal["too slow", "stopping"] | None = None
        self._store = store
        self._run_id = run_id
        self._grew = grew
        self._seq = 0

    def end(self) -> None:
        """Wait for no more lines."""
        self.ended = "stopping"
        self._grew.set()

    async def take(self, within_s: float) -> list[Line]:
        try:
            async with asyncio.timeout(within_s):
                return await self._take()
        except TimeoutError:
            if not await asyncio.to_thread(self._is_over):
                raise
            # No line will come: its log was cut, or is damaged.
            self.ended = "stopping"
            return []

    async def _take(self) -> list[Line]:
        while self.ended is None:
            self._grew.clear()
            pause_s = _LOOK_EVERY_S
            try:
                lines = await asyncio.to_thread(self._next)
            except (NotFoundError, StoreError):
                self.ended = "stopping"
                return []
            if lines and (not lines[-1].is_last or await asyncio.to_thread(self._is_recorded)):
                self._seq = lines[-1].seq
                return lines
            if lines:
                pause_s = _SOON_S  # a caller who has the last line reads the record next
            await self._wait(pause_s)
        return []

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._grew.wait()
        except TimeoutError:
            return

    def _next(self) -> list[Line]:
        log = self._store.log(self._run_id)
        try:
            if self._seq:
                log.skip(self._seq)
            return [line for line in log.read() if line.seq > self._seq]
        finally:
            log.close()

    def _is_recorded(self) -> bool:
        return self._store.record(self._run_id).status != "running"

    def _is_over(self) -> bool:
        """Whether the run is over, and its log has nothing that was not taken."""
        try:
            return self._store.record(self._run_id).is_over and not self._next()
        except (NotFoundError, StoreError):
            return True
