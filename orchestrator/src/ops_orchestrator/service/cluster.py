"""The part of a service that shares its runs with other processes, through the database of OPS_DATABASE_URL."""

import asyncio
from contextlib import suppress
from itertools import count
from typing import Any, Final

import structlog

from ops_orchestrator.errors import ConfigurationError, StoreError
from ops_orchestrator.runs.active_runs import ActiveRuns
from ops_orchestrator.runs.cluster.database import refuse_unless_ready
from ops_orchestrator.runs.cluster.news import Announcer, News
from ops_orchestrator.runs.cluster.procrastinate_queue import ProcrastinateQueue
from ops_orchestrator.runs.cluster.queue_worker import QueueWorker
from ops_orchestrator.runs.store.protocols import RunStore
from ops_orchestrator.runs.sweeps.active_sweeps import ActiveSweeps
from ops_orchestrator.service.claimed_runs import ClaimedRuns
from ops_orchestrator.settings import Settings

_LOOK_EVERY_S: Final = 30.0
# Each has a file or two open, and its runs are executed elsewhere.
_SWEEPS_AT_ONCE: Final = 32
# What was over may have been resumed since, by a process that died before it said so.
_LOOK_AT_ALL_EVERY: Final = 120

_log: Any = structlog.get_logger("ops_orchestrator.worker")


class Cluster:
    """Queue and news among processes. `execute_with` makes this process a worker; then `start` and `stop` on the event loop."""

    def __init__(self, settings: Settings, url: str) -> None:
        refuse_unless_ready(url)
        if settings.stalled_s < 2 * settings.heartbeat_s:
            raise ConfigurationError(
                f"OPS_STALLED_S={settings.stalled_s:g} must be twice OPS_HEARTBEAT_S={settings.heartbeat_s:g} at least, or a "
                "worker that lives is taken for dead"
            )
        self._settings = settings
        self.queue = ProcrastinateQueue(url)
        self.announcer = Announcer(url)
        self.news = News(url, self._hear)
        self._store: RunStore | None = None
        self._executing: ActiveRuns | None = None
        self._claimed: ClaimedRuns | None = None
        self._worker: QueueWorker | None = None
        self.sweep_queue = self.queue.of_sweeps()
        self._sweeps: ActiveSweeps | None = None
        self._driver: QueueWorker | None = None
        self._looking: list[asyncio.Task[None]] = []

    def execute_with(self, runs: ActiveRuns, store: RunStore, concurrency: int) -> None:
        """Have `runs` execute as many runs of the queue at once as `concurrency`."""
        settings = self._settings
        self._store, self._executing = store, runs
        self._claimed = ClaimedRuns(runs, store, self.queue, settings.max_attempts)
        self._worker = QueueWorker(
            self.queue,
            self._claimed.execute,
            store.unwritable,
            concurrency=concurrency,
            heartbeat_s=settings.heartbeat_s,
            stalled_s=settings.stalled_s,
        )

    def drive_with(self, sweeps: ActiveSweeps) -> None:
        """Have `sweeps` drive those of the queue: any process can, since workers execute their runs."""
        settings = self._settings
        self._sweeps = sweeps
        self._driver = QueueWorker(
            self.sweep_queue,
            sweeps.drive,
            concurrency=_SWEEPS_AT_ONCE,
            heartbeat_s=settings.heartbeat_s,
            stalled_s=settings.stalled_s,
        )

    def away(self) -> str | None:
        """Why no run can be accepted or taken now, in a sentence; None when they can."""
        return None if self.news.is_connected else "the database of OPS_DATABASE_URL does not answer"

    async def start(self) -> None:
        """Begin. Raises StoreError when the database is away."""
        await self.queue.open()
        await self.news.start()
        if self._worker is not None and self._store is not None:
            await self._worker.start()
            self._looking.append(asyncio.create_task(self._look_after(self._store)))
        if self._driver is not None and self._sweeps is not None:
            await self._driver.start()
            self._looking.append(asyncio.create_task(self._look_after_sweeps(self._sweeps)))

    async def drain(self) -> None:
        """Take no more runs and sweeps from the queue."""
        if self._driver is not None:
            await self._driver.drain()
        if self._worker is not None:
            await self._worker.drain()

    async def stop(self) -> None:
        """Leave what is executed to others, and end."""
        for task in self._looking:
            task.cancel()
        if self._driver is not None:
            await self._driver.stop()
        if self._worker is not None and self._executing is not None:
            await self._worker.drain()
            await self._executing.stop()
            await self._worker.stop()
        await self.news.stop()
        await self.queue.close()

    def _hear(self, run_id: str) -> None:
        if self._claimed is not None:
            self._claimed.hear(run_id)

    async def _look_after(self, store: RunStore) -> None:
        """Put runs into the queue that are not over and not in it, such as one whose process died before it put it there."""
        while True:
            with suppress(OSError, StoreError):
                await asyncio.to_thread(store.sweep)
                if lost := await self.queue.missing(await asyncio.to_thread(store.abandoned)):
                    _log.warning("queue.lost", runs=len(lost), message="runs that were not in the queue are put into it again")
                    await self.queue.submit(sorted(lost))
            await asyncio.sleep(_LOOK_EVERY_S)

    @staticmethod
    async def _look_after_sweeps(sweeps: ActiveSweeps) -> None:
        """Put sweeps into the queue that are not over and not in it."""
        for number in count():
            if number % _LOOK_AT_ALL_EVERY == 0:
                over = set[str]()
            with suppress(OSError, StoreError):
                await sweeps.submit_lost(over)
            await asyncio.sleep(_LOOK_EVERY_S)
