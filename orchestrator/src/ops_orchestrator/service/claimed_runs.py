"""Executes the runs that a worker takes from the queue, each to its end, and gives up those that no worker survives."""

import asyncio
from contextlib import suppress
from typing import Any, Final

import structlog

from ops_orchestrator.errors import (
    BusyError,
    ConflictError,
    DamagedRunError,
    NotFoundError,
    RequestError,
    StoreError,
    UnderWayError,
)
from ops_orchestrator.runs.active_runs import ActiveRuns
from ops_orchestrator.runs.cluster.run_queue import Claim, Fate, RunQueue
from ops_orchestrator.runs.event_reader import LogError, read_line
from ops_orchestrator.runs.events import Event, RunEnded, RunStarted
from ops_orchestrator.runs.store.protocols import RunStore

_MOST_TOLD: Final = 20

_log: Any = structlog.get_logger("ops_orchestrator.worker")


class ClaimedRuns:
    """Has `runs` execute what is claimed. A run with which `most_lost` workers were lost is ended as errored."""

    def __init__(self, runs: ActiveRuns, store: RunStore, queue: RunQueue, most_lost: int) -> None:
        self._runs = runs
        self._store = store
        self._queue = queue
        self._most_lost = most_lost
        self._claimed: set[str] = set()
        self._ordered: set[str] = set()
        self._hearing: set[asyncio.Task[None]] = set()

    async def execute(self, claim: Claim) -> Fate:
        """Execute a run to its end, unless it is over, or somebody else is at it. See Execute."""
        self._claimed.add(claim.run_id)
        try:
            fate = await self._executed(claim)
            if fate == "over" and claim.run_id in self._ordered:
                self._ordered.discard(claim.run_id)
                await self._queue.forget(claim.run_id)
        except NotFoundError:
            # Somebody removed it, or died while it was made: it is no run, and is listed no more.
            with suppress(NotFoundError, OSError, StoreError):
                await asyncio.to_thread(self._store.recover, [claim.run_id])
            return "over"
        except (BusyError, StoreError) as error:
            _log.warning("run.put_off", run_id=claim.run_id, message=str(error))
            return "left" if self._runs.stopping else "busy"
        finally:
            self._claimed.discard(claim.run_id)
        return fate

    def hear(self, run_id: str) -> None:
        """A run is to be cancelled, or any, when the id is empty; whether it is one of these is looked up."""
        for each in self._claimed if not run_id else self._claimed & {run_id}:
            task = asyncio.create_task(self._cancel_if_ordered(each))
            self._hearing.add(task)
            task.add_done_callback(self._hearing.discard)

    async def _executed(self, claim: Claim) -> Fate:
        run_id = claim.run_id
        run = self._runs.find(run_id)
        if run is None:
            # One that is claimed for the first time is hardly ever over, and whoever takes it up finds that out.
            if claim.lost and await asyncio.to_thread(self._is_over, run_id):
                return await self._ended(run_id)  # its worker may have died before the run was listed as over
            if claim.lost >= self._most_lost:
                return await self._given_up(claim)
            try:
                run = await self._runs.claim(run_id)
            except UnderWayError:
                return "busy"  # to whoever executes it, the run is left
            except (ConflictError, DamagedRunError):
                return await self._ended(run_id)  # there is nothing to do but to write its end
            except (BusyError, NotFoundError):
                raise
            except RequestError as error:
                _log.error("run.left", run_id=run_id, message=f"cannot go on: {error}")
                return await self._ended(run_id)
        if claim.lost:
            _log.warning("run.recovered", run_id=run_id, message="was not over when its worker was lost, and goes on")
        await self._cancel_if_ordered(run_id)
        await run.wait()
        return "over" if run.record.is_over else "left"

    async def _cancel_if_ordered(self, run_id: str) -> None:
        order = await self._queue.order(run_id)
        run = self._runs.find(run_id)
        if order is not None and run is not None:
            self._ordered.add(run_id)
            run.cancel(*order)

    async def _ended(self, run_id: str) -> Fate:
        problems = await asyncio.to_thread(self._store.recover, [run_id])
        for problem in problems.values():
            if problem is not None:
                _log.error("run.unrecovered", run_id=run_id, message=f"cannot be ended properly: {problem}")
                return "over" if isinstance(problem, DamagedRunError) else "busy"
        return "over" if await asyncio.to_thread(self._is_over, run_id) else "busy"

    async def _given_up(self, claim: Claim) -> Fate:
        """End a run that no worker survives, with what is known of its attempts."""
        try:
            reopened = await self._store.take_over(claim.run_id)
        except UnderWayError:
            return "busy"
        except (ConflictError, DamagedRunError):
            return await self._ended(claim.run_id)
        history = await asyncio.to_thread(self._history, claim.run_id)
        message = (
            f"{claim.lost} workers were lost with the run, as many as OPS_MAX_ATTEMPTS allows: {history}; see why they ended, "
            f"and `ops runs resume {claim.run_id}` goes on with it"
        )
        await reopened.writer.finish(RunEnded(status="errored", error={"code": "ORCHESTRATOR_ERROR", "message": message}))
        _log.error("run.given_up", run_id=claim.run_id, message=message)
        return "over"

    def _history(self, run_id: str) -> str:
        """Who began to execute the run, and when; the last ones of many."""
        started: list[str] = []
        log = self._store.log(run_id)
        try:
            with suppress(LogError):
                while lines := log.read():
                    events = (read_line(line.data, line.seq).event for line in lines)
                    started += [_told(event, event.what) for event in events if isinstance(event.what, RunStarted)]
        finally:
            log.close()
        return "; ".join(started[-_MOST_TOLD:]) or "none began"

    def _is_over(self, run_id: str) -> bool:
        try:
            return self._store.record(run_id).is_over
        except DamagedRunError:
            return False  # whoever ends it finds out


def _told(event: Event, started: RunStarted) -> str:
    return f"attempt {started.attempt} by {started.executor} at {event.at}"
