"""Takes runs from the queue and has them executed, gives signs of life, and looks after the runs of workers that are dead.

Procrastinate's own worker ends when the database is away for a moment, and then counts as dead with all that it executes; this
one stays the worker that it is, and lets what it executes go on meanwhile.
"""

import asyncio
import math
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import structlog

from ops_orchestrator.errors import StoreError
from ops_orchestrator.runs.active_run import within
from ops_orchestrator.runs.cluster.connection import cancelled
from ops_orchestrator.runs.cluster.procrastinate_queue import ProcrastinateQueue
from ops_orchestrator.runs.cluster.run_queue import Claim, Execute, Fate

if TYPE_CHECKING:
    from procrastinate.jobs import Job

# A run that is requeued, or put off, is not told of.
_POLL_S: Final = 2.0
_AGAIN_S: Final = 0.5

_log: Any = structlog.get_logger("ops_orchestrator.worker")


class QueueWorker:
    """Has `execute` execute as many runs at once as `concurrency`. Begin with `start` on the event loop, end with `stop`.

    After a run was put off, none is taken while `hindrance`, which blocks, says why it cannot be executed: others may do so.
    """

    def __init__(  # noqa: PLR0913  # what it is made of
        self,
        queue: ProcrastinateQueue,
        execute: Execute,
        hindrance: Callable[[], str | None] = lambda: None,
        *,
        concurrency: int,
        heartbeat_s: float,
        stalled_s: float,
    ) -> None:
        self._queue = queue
        self._execute = execute
        self._hindrance = hindrance
        self._has_put_off = False
        self._slots = asyncio.Semaphore(concurrency)
        self._heartbeat_s = heartbeat_s
        self._stalled_s = stalled_s
        self._wake = asyncio.Event()
        self._told = 0
        self._may_have_more = True
        self._stopping = asyncio.Event()
        self._claims: set[asyncio.Task[None]] = set()
        self._loops: list[asyncio.Task[None]] = []
        self._number = 0
        self._beaten = -math.inf

    async def start(self) -> None:
        """Become a worker. Raises StoreError when the database is away."""
        self._number = await self._queue.register()
        self._beaten = time.monotonic()
        self._loops = [asyncio.create_task(loop()) for loop in (self._take, self._live, self._listen)]

    async def drain(self) -> None:
        """Take no more runs."""
        self._stopping.set()
        self._wake.set()
        self._slots.release()  # whoever waits for one need not wait until a run is over
        if self._loops:
            await asyncio.wait(self._loops[:1])

    async def stop(self) -> None:
        """Return when what became of all runs is written; they are to end before, or to be left."""
        await self.drain()
        await asyncio.gather(*self._claims)
        await cancelled(self._loops)
        with suppress(StoreError):
            await self._queue.unregister(self._number)

    async def _take(self) -> None:
        """Take runs: each that was told of, and until there are none whenever the queue may have others as well."""
        while not self._stopping.is_set():
            if not self._told and not self._may_have_more:
                self._wake.clear()
                if not await within(self._wake, _POLL_S):
                    self._may_have_more = True
                continue
            await self._slots.acquire()
            taken = await self._next()
            if taken is None:
                self._slots.release()
                continue
            task = asyncio.create_task(self._see_to(*taken))
            self._claims.add(task)
            task.add_done_callback(self._claims.discard)

    async def _next(self) -> "tuple[Job, Claim] | None":
        if self._stopping.is_set():
            return None
        if self._has_put_off and await self._is_hindered():
            self._may_have_more = True
            await within(self._stopping, _POLL_S)
            return None
        told, may_have_more = self._told, self._may_have_more
        self._told, self._may_have_more = 0, False
        try:
            if time.monotonic() - self._beaten > self._stalled_s / 2:
                # Who was away counts as dead: what it takes would be taken from it at once.
                await self._beat()
            taken = await self._queue.fetch(self._number)
        except StoreError as error:
            _log.warning("queue.away", message=str(error))
            self._may_have_more = True
            await within(self._stopping, _AGAIN_S)
            return None
        if taken is not None:
            self._told += max(told - 1, 0)
            self._may_have_more |= may_have_more
        return taken

    def _hear(self) -> None:
        """A run was submitted."""
        self._told += 1
        self._wake.set()

    def _look(self) -> None:
        """There may be runs that nothing was told of."""
        self._may_have_more = True
        self._wake.set()

    async def _is_hindered(self) -> bool:
        reason = await asyncio.to_thread(self._hindrance)
        if reason is not None:
            _log.warning("worker.hindered", message=f"takes no run: {reason}")
        self._has_put_off = reason is not None
        return self._has_put_off

    async def _see_to(self, job: "Job", claim: Claim) -> None:
        try:
            fate: Fate = "busy"
            try:
                fate = await self._execute(claim)
            except Exception:  # noqa: BLE001  # whatever it is, the run stays in the queue
                _log.exception("run.unexecuted", run_id=claim.run_id)
            self._has_put_off |= fate == "busy"
            await self._settle(job, claim, fate)
        finally:
            self._slots.release()

    async def _settle(self, job: "Job", claim: Claim, fate: Fate) -> None:
        while True:
            try:
                if await self._queue.settle(job, claim, fate):
                    self._look()
            except StoreError:
                # As long as it is not written, the run counts as ours; once this worker is gone, others find out.
                if await within(self._stopping, _AGAIN_S):
                    return
            else:
                return

    async def _live(self) -> None:
        """Give signs of life; who was away, or paused, lets the others give theirs before it takes any for dead."""
        last, judges_from = time.monotonic(), -math.inf
        while True:
            await asyncio.sleep(self._heartbeat_s)
            try:
                await self._beat()
                now = time.monotonic()
                if now - last > self._heartbeat_s + self._stalled_s / 2:
                    judges_from = now + self._stalled_s
                last = now
                if now >= judges_from and await self._queue.requeue_stalled(self._stalled_s):
                    self._look()
            except StoreError as error:
                judges_from = math.inf
                last = -math.inf
                _log.warning("queue.away", message=str(error))

    async def _beat(self) -> None:
        await self._queue.beat(self._number)
        self._beaten = time.monotonic()

    async def _listen(self) -> None:
        while True:
            with suppress(StoreError):
                await self._queue.listen(self._hear)
            await asyncio.sleep(_AGAIN_S)
            self._look()
