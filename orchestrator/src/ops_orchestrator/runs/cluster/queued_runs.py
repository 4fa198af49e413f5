"""Accepts runs that workers execute, whichever processes those are. See Runs; embedded it is ActiveRuns."""

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final, NamedTuple

import structlog

from ops_orchestrator.errors import BusyError, NotFoundError, StoreError
from ops_orchestrator.modules.catalogue import Catalogue
from ops_orchestrator.planning.pins import Pins
from ops_orchestrator.planning.scenario import Scenario
from ops_orchestrator.planning.steps import Plan
from ops_orchestrator.runs.active_run import ActiveRun
from ops_orchestrator.runs.active_runs import ActiveRuns
from ops_orchestrator.runs.cluster.late_runs import LateRuns
from ops_orchestrator.runs.cluster.news import News
from ops_orchestrator.runs.cluster.queued_run import QueuedRun
from ops_orchestrator.runs.cluster.run_queue import RunQueue
from ops_orchestrator.runs.events import NO_ORIGIN, Origin, Status
from ops_orchestrator.runs.record import Results, RunRecord
from ops_orchestrator.runs.store.protocols import RunStore, StoredRun
from ops_orchestrator.runs.turns import too_busy

_log: Any = structlog.get_logger("ops_orchestrator.run")

_LOOK_EVERY_S: Final = 0.2


class _Submitted(NamedTuple):
    """A run in the queue, and its results as they were when it was put there; None for one that was there, or is over."""

    record: RunRecord
    results: Results | None


class QueuePlaces:
    """The turns of runs that are accepted here and executed elsewhere: none has one, and at most `most_waiting` wait.

    See Turns. How many wait is looked up every fifth of a second, and what is taken here meanwhile counts as waiting.
    """

    def __init__(self, queue: RunQueue, most_waiting: float) -> None:
        self._queue = queue
        self._most_waiting = most_waiting
        self._depth: dict[str, int] = {}
        self._looked_at = -math.inf
        self._taken = 0

    async def take_now(self) -> bool:
        """See Turns."""
        now = asyncio.get_running_loop().time()
        if now - self._looked_at > _LOOK_EVERY_S:
            self._looked_at, self._taken = now, 0
            self._depth = await self._queue.depth()
        waiting = self._depth.get("waiting", 0) + self._taken
        if waiting > self._most_waiting:
            raise too_busy(self._depth.get("claimed", 0), waiting)
        self._taken += 1
        return False

    async def wait(self) -> None:
        """See Turns."""
        await asyncio.Event().wait()

    def leave(self, *, has_turn: bool) -> None:
        """See Turns."""

    def close(self) -> None:
        """See Turns."""


class QueuedRuns:
    """Makes runs, of which at most `most_waiting` wait, and puts them into the queue.

    `active` makes what executes runs. `executing` has those that this process executes besides, if it does.
    """

    def __init__(  # noqa: PLR0913  # what it is made of
        self,
        active: Callable[..., ActiveRuns],
        store: RunStore,
        queue: RunQueue,
        *,
        news: News,
        most_waiting: int,
        executing: ActiveRuns | None = None,
    ) -> None:
        # None has its turn here. One that is being made when the service stops is put into the queue all the same.
        self._made = active(turns=QueuePlaces(queue, most_waiting), leaves_runs=True)
        # For those that are cancelled, or late, while they wait there is always a place.
        self._ended = active(turns=QueuePlaces(queue, math.inf))
        self._store = store
        self._queue = queue
        self._news = news
        self._executing = executing
        self._stopping = asyncio.Event()
        self._late = LateRuns(store, queue, news, self._end_late)
        self._waiting: set[QueuedRun] = set()
        self._submitting: set[asyncio.Task[_Submitted]] = set()

    @property
    def stopping(self) -> bool:
        """See Runs."""
        return self._made.stopping

    @property
    def count(self) -> int:
        """See Runs."""
        return self._made.count + (self._executing.count if self._executing else 0)

    async def start(
        self,
        scenario: Scenario,
        *,
        catalogue: Catalogue | None = None,
        origin: Origin = NO_ORIGIN,
        original: StoredRun | None = None,
        new_key: str | None = None,
    ) -> QueuedRun:
        """See Runs."""
        making = self._made.start(scenario, catalogue=catalogue, origin=origin, original=original, new_key=new_key)
        return self._queued(*await self._submitted(making))

    async def start_once(
        self, scenario: Scenario, key: str, *, catalogue: Catalogue | None = None, origin: Origin = NO_ORIGIN
    ) -> QueuedRun | RunRecord:
        """See Runs."""
        record, results = await self._submitted(self._made.start_once(scenario, key, catalogue=catalogue, origin=origin))
        return record if record.is_over else self._queued(record, results)

    async def resume(self, run_id: str, caller: str | None = None) -> QueuedRun:
        """See Runs."""
        # Of an order to cancel it that came too late.
        await self._queue.forget(run_id)
        return self._queued(*await self._submitted(self._made.resume(run_id, caller)))

    async def take_over(self, run_id: str) -> QueuedRun:
        """See Runs: the queue has it, and decides who goes on with it."""
        record = await asyncio.to_thread(self._store.record, run_id)
        if not record.is_over:
            await self._queue.submit(await self._queue.missing([run_id]))
        return self._queued(record)

    async def check_pins(self, plan: Plan, pins: Pins) -> None:
        """See Runs."""
        await self._made.check_pins(plan, pins)

    async def wait_elsewhere(self, record: RunRecord, seconds: float | None) -> RunRecord:
        """See Runs."""
        run = self._queued(record)
        await run.wait(seconds)
        return run.record

    def elsewhere(self, record: RunRecord) -> QueuedRun:
        """See Runs."""
        return self._queued(record)

    def find(self, run_id: str) -> ActiveRun | None:
        """See Runs."""
        return self._executing.find(run_id) if self._executing else None

    def by_status(self) -> Counter[Status]:
        """See Runs."""
        return self._executing.by_status() if self._executing else Counter()

    async def drain(self, seconds: float) -> None:
        """See Runs."""
        until = asyncio.get_running_loop().time() + seconds
        executing = self._executing.drain(seconds) if self._executing else asyncio.sleep(0)
        await asyncio.gather(self._made.drain(seconds), executing)
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                while self._waiting:
                    await next(iter(self._waiting)).wait()

    async def stop(self) -> None:
        """See Runs: those who wait for a run hear that it goes on."""
        self._stopping.set()
        await self._late.stop()
        await self._made.stop()
        await self._ended.stop()
        await asyncio.gather(*self._submitting, return_exceptions=True)

    async def cancel_here(self, run_id: str, by: str, caller: str | None) -> None:
        """End a run as cancelled that no worker has, and that was taken out of the queue. Raises RequestError, StoreError."""
        run = await self._ended.claim(run_id)
        run.cancel(by, caller)
        await run.wait()

    async def _end_late(self, run_id: str) -> None:
        """End a run that was taken out of the queue because it is late."""
        await (await self._ended.claim(run_id)).wait()

    def _queued(self, record: RunRecord, submitted: Results | None = None) -> QueuedRun:
        return QueuedRun(record, self._store, self._queue, self._news, self, submitted=submitted)

    @property
    def stop_begun(self) -> asyncio.Event:
        """Set when nobody is to wait for runs any more."""
        return self._stopping

    @property
    def waited_for(self) -> set[QueuedRun]:
        """The runs that callers wait for."""
        return self._waiting

    async def _submitted(self, making: Coroutine[Any, Any, ActiveRun | RunRecord]) -> _Submitted:
        """Make a run and submit it, also when the caller does not wait for that."""
        if not self._news.is_connected:
            making.close()
            raise BusyError("The database that has the queue of runs does not answer; try again soon.")
        task = asyncio.create_task(self._submit(making))
        self._submitting.add(task)
        task.add_done_callback(self._submitting.discard)
        return await asyncio.shield(task)

    async def _submit(self, making: Coroutine[Any, Any, ActiveRun | RunRecord]) -> _Submitted:
        run = await making
        if isinstance(run, RunRecord):
            if not run.is_over:
                # Whoever made it may have died before it was submitted.
                await self._queue.submit(await self._queue.missing([run.run_id]))
            return _Submitted(run, None)
        # From here on its folder is free, and whoever takes its job goes on with it.
        run.leave()
        await run.wait()
        record = run.record
        if record.is_over:
            return _Submitted(record, None)
        self._late.watch(record.run_id, run.left_s)
        try:
            await self._queue.submit([record.run_id])
        except StoreError as error:
            if record.idempotency_key is not None:
                # Sent again, it finds this run and submits it; a run that is ended here would be its answer for ever.
                raise BusyError(
                    f"The run waits for its queue: {error}. Send it again with the same Idempotency-Key."
                ) from error
            await self._give_up(record, error)
            raise BusyError(f"The run cannot be executed: {error}.") from error
        return _Submitted(record, run.results)

    async def _give_up(self, record: RunRecord, error: StoreError) -> None:
        """End a run that nobody will execute, since its caller hears that it was not accepted."""
        _log.error("run.not_queued", run_id=record.run_id, message=str(error))
        with suppress(NotFoundError, StoreError, OSError):
            await asyncio.to_thread(self._store.recover, [record.run_id])
