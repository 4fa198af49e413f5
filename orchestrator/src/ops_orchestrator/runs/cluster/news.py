"""Which runs' logs grew, and which are to be cancelled, told among processes by the notifications of PostgreSQL.

They are no more than hints: whoever waits for one looks again after a while, since those of a connection that broke are lost.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from typing import Any, Final

from ops_orchestrator.runs.active_run import within
from ops_orchestrator.runs.cluster.connection import PREPARED, bounded, cancelled, library
from ops_orchestrator.runs.feed import Line

GREW: Final = "ops_runs_grew"
CANCELLED: Final = "ops_runs_cancelled"

_END: Final = " over"
_AGAIN_S: Final = 0.5
# Callers wait for ends, and those who watch do not see the difference.
_GATHERED_S: Final = 0.02
_MOST_UNTOLD: Final = 10_000
# Who has just submitted a run may watch it when it has ended already.
_MOST_REMEMBERED: Final = 1_000
# How long a connection may be silent before it is asked whether it lives.
_SILENCE_S: Final = 5.0
_ANSWER_S: Final = 5.0
_START_S: Final = 5.0
_TELL: Final = "SELECT pg_notify(%s, run) FROM unnest(%s::text[]) AS run"


class Announcer:
    """Tells which runs' logs grew. See Consumer; many lines of a run that come at once are told of once."""

    def __init__(self, url: str) -> None:
        self._url = bounded(url)
        self._psycopg = library("psycopg")
        self._lock = Lock()
        self._untold: set[str] = set()
        self._changed = Event()
        self._is_closed = False
        self._thread = Thread(target=self._tell_all, name="run-news", daemon=True)
        self._thread.start()

    def take(self, lines: Sequence[Line]) -> None:
        """See Consumer. Never waits for the database."""
        with self._lock:
            if len(self._untold) < _MOST_UNTOLD:
                self._untold.update(f"{line.run_id}{_END if line.is_last else ''}" for line in lines)
        self._changed.set()

    def close(self) -> None:
        """Tell what is left, and end."""
        self._is_closed = True
        self._changed.set()
        self._thread.join()

    def _tell_all(self) -> None:
        while not self._is_closed or self._untold:
            with suppress(self._psycopg.Error):
                self._tell_over_one_connection()
                return
            if self._is_closed:
                return
            self._changed.wait(_AGAIN_S)

    def _tell_over_one_connection(self) -> None:
        """Tell until this is closed. Raises psycopg.Error when the database is away; nothing is lost then."""
        with self._psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(PREPARED)
            while True:
                self._changed.wait()
                self._changed.clear()
                if not self._is_closed and not any(each.endswith(_END) for each in self._untold):
                    time.sleep(_GATHERED_S)
                with self._lock:
                    untold, self._untold = self._untold, set()
                try:
                    if untold:
                        connection.execute(_TELL, (GREW, sorted(untold)))
                except BaseException:
                    with self._lock:
                        self._untold |= untold
                    self._changed.set()
                    raise
                if self._is_closed and not self._untold:
                    return


@dataclass(frozen=True)
class Watch:
    """One who waits for news of a run: each sets an event, which whoever waits clears."""

    grew: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class News:
    """Hears what other processes tell. `cancelled` is called with the id of a run that is to be cancelled.

    Begin with `start` on the event loop, and end with `stop`.
    """

    def __init__(self, url: str, cancelled: Callable[[str], None]) -> None:
        self._url = bounded(url)
        self._cancelled = cancelled
        self._watches: dict[str, set[Watch]] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._task: asyncio.Task[None] | None = None
        self._connected = asyncio.Event()

    @property
    def is_connected(self) -> bool:
        """Whether the database is there."""
        return self._connected.is_set()

    async def start(self) -> None:
        """Listen from now on; returns when that has begun, or the database is away."""
        self._task = asyncio.create_task(self._listen())
        await within(self._connected, _START_S)

    async def stop(self) -> None:
        """Listen no more."""
        if self._task is not None:
            await cancelled([self._task])

    @contextmanager
    def of(self, run_id: str) -> Iterator[Watch]:
        """Hear of a run; also of its end, if that was told just before."""
        watch = Watch()
        if run_id in self._ended:
            watch.ended.set()
        self._watches.setdefault(run_id, set()).add(watch)
        try:
            yield watch
        finally:
            watches = self._watches[run_id]
            watches.discard(watch)
            if not watches:
                del self._watches[run_id]

    async def _listen(self) -> None:
        psycopg = library("psycopg")
        while True:
            with suppress(psycopg.Error, TimeoutError):
                async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as connection:
                    await connection.execute(PREPARED)
                    for channel in (GREW, CANCELLED):
                        await connection.execute(f"LISTEN {channel}")
                    self._connected.set()
                    # What was told meanwhile is lost.
                    self._wake_all()
                    await self._hear(connection)
            self._connected.clear()
            await asyncio.sleep(_AGAIN_S)

    async def _hear(self, connection: Any) -> None:
        while True:
            async for told in connection.notifies(timeout=_SILENCE_S):
                if told.channel == CANCELLED:
                    self._cancelled(told.payload)
                else:
                    self._wake(told.payload)
            async with asyncio.timeout(_ANSWER_S):
                await connection.execute("SELECT 1")

    def _wake(self, payload: str) -> None:
        run_id, has_ended = payload.removesuffix(_END), payload.endswith(_END)
        if has_ended:
            self._ended[run_id] = None
            if len(self._ended) > _MOST_REMEMBERED:
                self._ended.popitem(last=False)
        for watch in self._watches.get(run_id, ()):
            watch.grew.set()
            if has_ended:
                watch.ended.set()

    def _wake_all(self) -> None:
        for watch in (watch for watches in self._watches.values() for watch in watches):
            watch.grew.set()
            watch.ended.set()
        self._cancelled("")
