"""The sweeps that this process executes: starts and resumes them, finds them, waits for them when the service stops."""

import asyncio
from contextlib import suppress
from typing import Any, Final

import structlog

from ops_contract import fingerprint, parse_json, sha256_hex
from ops_orchestrator.errors import (
    BusyError,
    DamagedSweepError,
    FencedError,
    NotFoundError,
    RequestError,
    ReusedKeyError,
    StoreError,
    SweepConflictError,
)
from ops_orchestrator.modules.registration import Registration
from ops_orchestrator.planning.planner import plan
from ops_orchestrator.planning.sweep import SweepRequest
from ops_orchestrator.runs.cluster.run_queue import Claim, Fate, RunQueue
from ops_orchestrator.runs.events import now
from ops_orchestrator.runs.run_id import new_sweep_id
from ops_orchestrator.runs.sweeps.points_log import statuses_in
from ops_orchestrator.runs.sweeps.runs_of_sweeps import RunsOfSweeps
from ops_orchestrator.runs.sweeps.state import SweepState
from ops_orchestrator.runs.sweeps.sweep_place import SweepWriter
from ops_orchestrator.runs.sweeps.sweep_run import SweepRun
from ops_orchestrator.runs.sweeps.sweep_store import SweepStore

# A reader may hold the lock of a sweep for a moment, to see whether anybody executes it.
_TAKE_AGAIN_S: Final = (0.01, 0.05, 0.2)
_UNTIL_MADE_S: Final = 0.02
_LOST: Final = "{count} processes were lost with the sweep, as many as OPS_MAX_ATTEMPTS allows; see why they ended"
_NOT_OVER: Final = {"finished_at": None, "error": None}

_log: Any = structlog.get_logger("ops_orchestrator.sweep")


class ActiveSweeps:
    """Starts sweeps and keeps hold of them until they are over.

    With a `queue`, sweeps are put there instead, and `drive` has this process execute one of it. A sweep with which `most_lost`
    processes were lost is ended as errored.
    """

    def __init__(
        self,
        registration: Registration,
        sweeps: SweepStore,
        through: RunsOfSweeps,
        queue: RunQueue | None = None,
        most_lost: int = 0,
    ) -> None:
        self._registration = registration
        self._sweeps = sweeps
        self._through = through
        self._queue = queue
        self._most_lost = most_lost
        self._active: dict[str, SweepRun] = {}
        self._unwritten: dict[str, SweepState] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, request: SweepRequest, body: bytes, caller: str | None = None) -> str:
        """Begin to execute a sweep that was asked for with `body`; returns its id. Raises RequestError, StoreError.

        `caller` is the name of the key of whoever asked, as in Origin.
        """
        self._check(request)
        while True:
            with suppress(FileExistsError):
                return await self._created(new_sweep_id(), request, body, caller)

    async def start_once(self, request: SweepRequest, body: bytes, key: str, caller: str | None = None) -> str:
        """As `start`, unless a sweep has this idempotency key already: then the id of that one."""
        self._check(request)
        key_sha256 = sha256_hex(key.encode())
        while True:
            sweep_id = new_sweep_id()
            holder = await asyncio.to_thread(self._sweeps.claim, key_sha256, sweep_id)
            if holder is None:
                await asyncio.sleep(_UNTIL_MADE_S)
            elif holder != sweep_id:
                await asyncio.to_thread(self._check_same, holder, body)
                return holder
            else:
                with suppress(FileExistsError):
                    return await self._created_for_key(sweep_id, request, body, key_sha256, caller)

    async def resume(self, sweep_id: str, caller: str | None = None) -> None:
        """Go on with a sweep that is over, with its points that are not completed. Raises RequestError, StoreError."""
        request = await asyncio.to_thread(self._sweeps.request, sweep_id)
        self._check(request)
        await self._check_pins(request)
        folder, before = await self._reopened(sweep_id)
        try:
            await asyncio.to_thread(_refuse_if_completed, before, folder)
            await asyncio.to_thread(self._through.store.check_room)
            state = before.model_copy(
                # What is drawn is drawn again.
                update={
                    "status": "running",
                    "attempt": before.attempt + 1,
                    "drivers": None if self._queue is None else 0,
                    "resumed_by": caller,
                    "notes": request.notes,
                    **_NOT_OVER,
                }
            )
            await asyncio.to_thread(folder.begin_again, state)
        except BaseException:
            folder.release()
            raise
        await self._launch(request, state, folder)

    async def take_over(self) -> None:
        """Go on with the sweeps that a dead service left, if that is wanted; what cannot go on stays as it is."""
        if not self._through.leaves_sweeps:
            return
        for sweep_id in await asyncio.to_thread(self._sweeps.left):
            try:
                await self.resume(sweep_id)
            except (RequestError, StoreError) as error:
                _log.warning("sweep.left", sweep_id=sweep_id, message=f"cannot go on: {error}")

    def find(self, sweep_id: str) -> SweepRun | None:
        """The sweep `sweep_id` if this process executes it."""
        return self._active.get(sweep_id)

    async def state(self, sweep_id: str) -> SweepState:
        """How far a sweep is, whoever executes it. Raises NotFoundError, StoreError."""
        if (run := self.find(sweep_id)) is not None:
            return run.state
        stored = await asyncio.to_thread(self._sweeps.state, sweep_id)
        known = self._unwritten.get(sweep_id)
        # Its folder says that it was interrupted, and not why; unless somebody else went on with it.
        is_newer = known is not None and stored.status == "interrupted" and stored.attempt == known.attempt
        return known if known is not None and is_newer else stored

    async def drive(self, claim: Claim) -> Fate:
        """Execute a sweep of the queue to its end, unless somebody else does, or this process stops before. See Execute."""
        try:
            return await self._driven(claim)
        except (NotFoundError, DamagedSweepError) as error:
            # Removed, or to be repaired first; whoever looks for sweeps that are not in the queue finds it then.
            _log.warning("sweep.left", sweep_id=claim.run_id, message=str(error))
            return "over"
        except (FencedError, StoreError) as error:
            _log.warning("sweep.put_off", sweep_id=claim.run_id, message=str(error))
            return "busy"

    async def submit_lost(self, known: set[str]) -> None:
        """Put sweeps into the queue that are not over and not there. For `known` see SweepStore.queued. Raises StoreError."""
        if self._queue is not None:
            found = await asyncio.to_thread(self._sweeps.queued, known)
            if found and (lost := await self._queue.missing(found)):
                _log.warning("queue.lost", sweeps=len(lost), message="sweeps that were not in the queue are put into it again")
                await self._queue.submit(sorted(lost))

    async def stop(self) -> None:
        """Wait until no sweep is executed; that they end is up to their runs, which are stopped before."""
        await asyncio.gather(*self._tasks)

    def _check(self, request: SweepRequest) -> None:
        """Raise RequestError for a sweep that no run can be made of: the steps of all points are the same."""
        plan(request.scenario, self._registration.catalogue)
        if self._through.runs.stopping:
            raise BusyError("The service is stopping; try again when it is back.")

    async def _check_pins(self, request: SweepRequest) -> None:
        """Raise PinnedVersionError when each point would be refused, since a module is not the one that is pinned."""
        await self._through.runs.check_pins(
            plan(request.scenario, self._registration.catalogue), request.scenario.run_options.pin
        )

    async def _created(self, sweep_id: str, request: SweepRequest, body: bytes, caller: str | None) -> str:
        """Make a sweep and begin to execute it. Raises FileExistsError when its id is taken."""
        await asyncio.to_thread(self._through.store.check_room)
        await self._check_pins(request)
        state = SweepState.begun(sweep_id, request, caller, is_queued=self._queue is not None)
        folder = await asyncio.to_thread(self._sweeps.create, state, body)
        await self._launch(request, state, folder)
        return sweep_id

    async def _created_for_key(
        self, sweep_id: str, request: SweepRequest, body: bytes, key_sha256: str, caller: str | None
    ) -> str:
        try:
            await self._created(sweep_id, request, body, caller)
        except BaseException:
            await asyncio.to_thread(self._sweeps.release_key, key_sha256, sweep_id)
            raise
        await asyncio.to_thread(self._sweeps.keep_key, key_sha256, sweep_id)
        return sweep_id

    def _check_same(self, holder: str, body: bytes) -> None:
        """Raise ReusedKeyError unless the sweep `holder` was asked for with the same `body`."""
        if fingerprint(parse_json(self._sweeps.body(holder))) != fingerprint(parse_json(body)):
            raise ReusedKeyError(
                f"{holder} was started with this key and another body; take a new key, or repeat that request."
            )

    async def _reopened(self, sweep_id: str) -> tuple[SweepWriter, SweepState]:
        for pause_s in _TAKE_AGAIN_S:
            with suppress(SweepConflictError):
                return await asyncio.to_thread(self._sweeps.reopen, sweep_id)
            await asyncio.sleep(pause_s)
        return await asyncio.to_thread(self._sweeps.reopen, sweep_id)

    async def _launch(self, request: SweepRequest, state: SweepState, folder: SweepWriter) -> None:
        """Have the sweep executed: by this process, or by whoever takes it from the queue."""
        if self._queue is not None:
            await asyncio.to_thread(folder.release)
            await self._submit(self._queue, state.sweep_id)
            return
        run = self._run_of(request, state, folder)
        task = asyncio.create_task(self._execute(state.sweep_id, run))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _submit(self, queue: RunQueue, sweep_id: str) -> None:
        try:
            await queue.submit([sweep_id])
        except StoreError as error:
            _log.error("sweep.not_queued", sweep_id=sweep_id, message=str(error))
            with suppress(StoreError):
                if (taken := await asyncio.to_thread(self._sweeps.take, sweep_id)) is not None:
                    await asyncio.to_thread(_give_up, *taken, f"the sweep could not be put into the queue: {error}")
            raise BusyError(f"The sweep cannot be executed: {error}.") from error

    def _run_of(self, request: SweepRequest, state: SweepState, folder: SweepWriter) -> SweepRun:
        # All its points call the modules that are registered now, whatever is registered meanwhile.
        run = SweepRun(request, state, folder, self._through, self._registration.catalogue)
        self._active[state.sweep_id] = run
        return run

    async def _execute(self, sweep_id: str, run: SweepRun) -> None:
        try:
            await run.execute()
        finally:
            del self._active[sweep_id]
            self._unwritten.pop(sweep_id, None)
            if run.is_unwritten and self._queue is None:
                self._unwritten[sweep_id] = run.state

    async def _driven(self, claim: Claim) -> Fate:
        sweep_id = claim.run_id
        taken = await asyncio.to_thread(self._sweeps.take, sweep_id)
        if taken is None:
            return "busy"
        folder, before = taken
        try:
            if before.is_over:
                folder.release()
                return "over"
            if claim.lost >= self._most_lost:
                await asyncio.to_thread(_give_up, folder, before, _LOST.format(count=claim.lost))
                return "over"
            request = await asyncio.to_thread(self._sweeps.request, sweep_id)
            state = before.model_copy(update={"drivers": (before.drivers or 0) + 1})
            await asyncio.to_thread(folder.save, state)
        except BaseException:
            folder.release()
            raise
        if state.was_taken_over:
            _log.warning("sweep.recovered", sweep_id=sweep_id, message="was not over when another process left it, and goes on")
        run = self._run_of(request, state, folder)
        await self._execute(sweep_id, run)
        if run.is_fenced:
            return "over"  # here, and somebody else has a job of it
        if run.is_unwritten:
            return "busy"
        return "left" if run.state.status == "interrupted" else "over"


def _refuse_if_completed(state: SweepState, folder: SweepWriter) -> None:
    """Raise SweepConflictError when all points are completed, and the folder has what each of them became."""
    if state.status == "completed" and len(statuses_in(folder.lines(), state.points.total)) == state.points.total:
        raise SweepConflictError(f"{state.sweep_id} is completed: there is nothing to go on with.")


def _give_up(folder: SweepWriter, state: SweepState, message: str) -> None:
    """End a sweep that nobody executes. Raises StoreError."""
    go_on = f"`ops sweep resume {state.sweep_id}` goes on with it"
    error = {"code": "ORCHESTRATOR_ERROR", "message": f"{message}; {go_on}"}
    try:
        folder.save(state.model_copy(update={"status": "errored", "error": error, "finished_at": now(), "seconds_left": None}))
        folder.settle()
    finally:
        folder.release()
