"""A run in the queue, or with a worker, as the process sees it that a caller asked. See RunUnderWay."""

import asyncio
import math
from collections.abc import Awaitable
from contextlib import suppress
from typing import Final, Protocol

from ops_orchestrator.errors import ConflictError
from ops_orchestrator.runs.cluster.news import News
from ops_orchestrator.runs.cluster.run_queue import Order, RunQueue
from ops_orchestrator.runs.record import Results, RunRecord
from ops_orchestrator.runs.store.protocols import RunStore

# Should the news of its end be lost.
_LOOK_EVERY_S: Final = 2.0
# Between the last line of a run's log and its record.
_SOON_S: Final = 0.05


class Waited(Protocol):
    """Where callers wait for runs."""

    @property
    def stop_begun(self) -> asyncio.Event:
        """Set when nobody is to wait any more."""
        ...

    @property
    def waited_for(self) -> "set[QueuedRun]":
        """The runs that callers wait for."""
        ...

    async def cancel_here(self, run_id: str, by: str, caller: str | None) -> None:
        """End a run as cancelled that no worker has."""
        ...


class QueuedRun:
    """A run with this `record` as of now; what is in the store counts.

    `submitted` are the results of a run that was just submitted, and is as its record says; None for any other.
    """

    unwritten: Final = None

    def __init__(  # noqa: PLR0913  # what it is, and whom it asks
        self,
        record: RunRecord,
        store: RunStore,
        queue: RunQueue,
        news: News,
        waited: Waited,
        *,
        submitted: Results | None = None,
    ) -> None:
        self._record = record
        self._results = submitted or Results.of(record, {})
        self._is_as_submitted = submitted is not None
        self._store = store
        self._queue = queue
        self._news = news
        self._waited = waited
        self._cancelling: asyncio.Task[None] | None = None

    @property
    def record(self) -> RunRecord:
        """See RunUnderWay."""
        return self._record

    @property
    def results(self) -> Results:
        """See RunUnderWay."""
        return self._results

    @property
    def results_bytes(self) -> float:
        """See RunUnderWay."""
        return math.inf

    async def wait(self, seconds: float | None = None) -> None:
        """See RunUnderWay. Raises StoreError, and what hinders an order to cancel."""
        if seconds == 0 and self._is_as_submitted:
            return  # whoever submitted it has waited until that is on disk
        self._waited.waited_for.add(self)
        try:
            if self._cancelling is not None:
                await self._cancelling
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._end()
        finally:
            self._waited.waited_for.discard(self)
        if not self._record.is_over:
            await self._look(needs_results=True)
            # Whoever is told that it goes on must find it after a power cut.
            await asyncio.to_thread(self._store.flush, self._record.run_id)

    def cancel(self, by: str, caller: str | None = None) -> None:
        """See RunUnderWay."""
        self._is_as_submitted = False
        self._cancelling = asyncio.create_task(self._cancel(Order(by, caller)))

    async def _cancel(self, order: Order) -> None:
        run_id = self._record.run_id
        await self._queue.cancel(run_id, order)
        if await self._queue.withdraw(run_id):
            with suppress(ConflictError):  # somebody has it all the same, and hears of the order
                await self._waited.cancel_here(run_id, *order)
                await self._queue.forget(run_id)

    async def _end(self) -> None:
        """Return when the run is over, or this process stops."""
        with self._news.of(self._record.run_id) as watch:
            stopping = asyncio.create_task(self._waited.stop_begun.wait())
            try:
                if self._is_as_submitted:
                    self._is_as_submitted = False
                    await _first(watch.ended.wait(), stopping, _LOOK_EVERY_S)
                while not self._waited.stop_begun.is_set():
                    is_told = watch.ended.is_set()
                    watch.ended.clear()
                    await self._look()
                    if self._record.is_over:
                        return
                    await _first(watch.ended.wait(), stopping, _SOON_S if is_told else _LOOK_EVERY_S)
            finally:
                stopping.cancel()

    async def _look(self, *, needs_results: bool = False) -> None:
        """Read the run as it is now, and its results when it is over, or they are needed."""
        self._record, results = await asyncio.to_thread(_read, self._store, self._record.run_id, needs_results=needs_results)
        self._results = results or self._results


def _read(store: RunStore, run_id: str, *, needs_results: bool) -> tuple[RunRecord, Results | None]:
    # In this order: results that are newer than the record do no harm.
    record = store.record(run_id)
    return record, store.results(run_id) if record.is_over or needs_results else None


async def _first(told: Awaitable[object], stopping: "asyncio.Task[bool]", seconds: float) -> None:
    """Return when there is news, the process stops, or so many seconds have passed."""
    hearing = asyncio.ensure_future(told)
    try:
        await asyncio.wait([hearing, stopping], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        hearing.cancel()
