"""What a dead service left: each of its runs is ended, or gone on with, at the start or as soon as that can be done.

A service may also die while others live that share its store.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import count
from typing import Any, Final

import structlog

from ops_orchestrator.errors import BusyError, ConflictError, DamagedRunError, OtherKeyError, RequestError, StoreError
from ops_orchestrator.runs.active_runs import ActiveRuns
from ops_orchestrator.runs.store.protocols import RunStore

_TRY_AGAIN_S: Final = 1.0
_LOOK_EVERY_S: Final = 5.0
# One look in so many also removes folders that could not be made or removed to the end.
_SWEEP_EVERY: Final = 12

_log: Any = structlog.get_logger("ops_orchestrator")


class Takeover:
    """Takes over the runs that a dead service left in `store`: ends them, or has `goes_on` go on with them.

    A run that goes on is not ended in between, so that it counts as left again if this service dies before it goes on.
    """

    def __init__(self, store: RunStore, goes_on: ActiveRuns | None, look_every_s: float = _LOOK_EVERY_S) -> None:
        self._store = store
        self._goes_on = goes_on
        self._look_every_s = look_every_s
        self._complained: set[str] = set()

    async def begin(self) -> set[str]:
        """Take over what can be taken over now; returns the runs that have to be tried again. Raises OSError, StoreError."""
        return await self._take(await asyncio.to_thread(self._store.left))

    async def keep_on(self, again: set[str], *, is_complete: bool) -> None:
        """Do as `end` does, and take over what services leave that die meanwhile; returns when it is cancelled."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self.end(again, is_complete=is_complete))
            both.create_task(self._watch())

    async def end(self, again: set[str], *, is_complete: bool) -> None:
        """Try `again` each second until none is left, and those that are found until the store `is_complete`."""
        while again or not is_complete:
            if is_complete:
                await asyncio.sleep(_TRY_AGAIN_S)
            elif await asyncio.to_thread(self._store.wait_until_complete, _TRY_AGAIN_S):
                is_complete, again = True, again | await self._found(self._store.left)
            again = await self._take(again)

    async def _watch(self) -> None:
        for number in count(1):
            await asyncio.sleep(self._look_every_s)
            if number % _SWEEP_EVERY == 0:
                await asyncio.to_thread(self._sweep)
            # What cannot be taken over now is found again.
            await self._take(await self._found(self._store.abandoned))

    def _sweep(self) -> None:
        with suppress(OSError):
            self._store.sweep()

    async def _found(self, find: Callable[[], set[str]]) -> set[str]:
        """The runs that `find` finds; none while the store cannot be read."""
        try:
            return await asyncio.to_thread(find)
        except (OSError, StoreError) as error:
            _log.error("store.unrecovered", message=f"runs that a dead service left may not be ended: {error}")
            return set()

    async def _take(self, run_ids: Iterable[str]) -> set[str]:
        return {run_id for run_id in sorted(run_ids) if not await self._is_taken(run_id)}

    async def _is_taken(self, run_id: str) -> bool:
        """Take over a run; False when it has to be tried again."""
        if self._goes_on is None:
            return await self._is_ended(run_id)
        try:
            await self._goes_on.take_over(run_id)
        except BusyError:
            return False
        except (ConflictError, DamagedRunError):
            return await self._is_ended(run_id)  # somebody executes it, or there is nothing to do but to write its end
        except (RequestError, OtherKeyError) as error:
            self._complain("run.left", run_id, f"cannot go on: {error}")
            return await self._is_ended(run_id)
        except StoreError as error:
            self._complain("run.unrecovered", run_id, f"cannot go on yet: {error}")
            return False
        _log.warning("run.recovered", run_id=run_id, message="was not over when a service ended, and goes on")
        return True

    async def _is_ended(self, run_id: str) -> bool:
        """End a run if it was left; False when that has to be tried again."""
        try:
            problems = await asyncio.to_thread(self._store.recover, [run_id])
        except (OSError, StoreError) as error:
            problems = {run_id: error}
        for problem in problems.values():
            if problem is not None:
                self._complain("run.unrecovered", run_id, f"cannot be ended properly: {problem}")
                return isinstance(problem, DamagedRunError)
            _log.warning("run.recovered", run_id=run_id, message="was not over when a service ended")
        return True

    def _complain(self, event: str, run_id: str, message: str) -> None:
        """Log once what may be tried many times."""
        if run_id not in self._complained:
            self._complained.add(run_id)
            _log.error(event, run_id=run_id, message=message)
