"""Ends runs that reach their deadline while they wait in the queue; those that a worker has, it ends itself."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from ops_orchestrator.errors import RequestError, StoreError
from ops_orchestrator.runs.active_run import within
from ops_orchestrator.runs.cluster.news import News
from ops_orchestrator.runs.cluster.run_queue import RunQueue
from ops_orchestrator.runs.store.protocols import RunStore


class LateRuns:
    """Takes runs that are late out of the queue, and has `end` end each. A worker that gets one ends it, too."""

    def __init__(self, store: RunStore, queue: RunQueue, news: News, end: Callable[[str], Awaitable[None]]) -> None:
        self._store = store
        self._queue = queue
        self._news = news
        self._end = end
        self._watching: set[asyncio.Task[None]] = set()

    def watch(self, run_id: str, left_s: float | None) -> None:
        """See that a run is over in so many seconds; None when it may take any time."""
        if left_s is not None:
            task = asyncio.create_task(self._watch(run_id, left_s))
            self._watching.add(task)
            task.add_done_callback(self._watching.discard)

    async def stop(self) -> None:
        """Leave runs that are late to workers."""
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)

    async def _watch(self, run_id: str, left_s: float) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + left_s
        with suppress(RequestError, StoreError), self._news.of(run_id) as watch:
            while await within(watch.ended, until - loop.time()):
                watch.ended.clear()
                if (await asyncio.to_thread(self._store.record, run_id)).is_over:
                    return
            if await self._queue.withdraw(run_id):
                await self._end(run_id)
