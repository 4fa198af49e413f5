"""The sweeps that this process executes: starts and resumes them, finds them, waits for them when the service stops."""

import asyncio
from contextlib import suppress
from typing import Any, Final

import structlog

from ops_contract import fingerprint, parse_json, sha256_hex
from ops_orchestrator.errors import BusyError, RequestError, ReusedKeyError, StoreError, SweepConflictError
from ops_orchestrator.modules.registration import Registration
from ops_orchestrator.planning.planner import plan
from ops_orchestrator.planning.sweep import SweepRequest
from ops_orchestrator.runs.run_id import new_sweep_id
from ops_orchestrator.runs.sweeps.state import SweepState
from ops_orchestrator.runs.sweeps.sweep_folder import SweepFolder
from ops_orchestrator.runs.sweeps.sweep_run import RunsOfSweeps, SweepRun
from ops_orchestrator.runs.sweeps.sweep_store import SweepStore

# A reader may hold the lock of a sweep for a moment, to see whether anybody executes it.
_TAKE_AGAIN_S: Final = (0.01, 0.05, 0.2)
_UNTIL_MADE_S: Final = 0.02
_NOT_OVER: Final = {"finished_at": None, "error": None}

_log: Any = structlog.get_logger("ops_orchestrator.sweep")


class ActiveSweeps:
    """Starts sweeps and keeps hold of them until they are over."""

    def __init__(self, registration: Registration, sweeps: SweepStore, through: RunsOfSweeps) -> None:
        self._registration = registration
        self._sweeps = sweeps
        self._through = through
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
                update={"status": "running", "attempt": before.attempt + 1, "resumed_by": caller, "notes": request.notes}
                | _NOT_OVER
            )
            await asyncio.to_thread(folder.begin_again, state)
        except BaseException:
            folder.release()
            raise
        self._launch(request, state, folder)

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
        state = SweepState.begun(sweep_id, request, caller)
        folder = await asyncio.to_thread(self._sweeps.create, state, body)
        self._launch(request, state, folder)
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

    async def _reopened(self, sweep_id: str) -> tuple[SweepFolder, SweepState]:
        for pause_s in _TAKE_AGAIN_S:
            with suppress(SweepConflictError):
                return await asyncio.to_thread(self._sweeps.reopen, sweep_id)
            await asyncio.sleep(pause_s)
        return await asyncio.to_thread(self._sweeps.reopen, sweep_id)

    def _launch(self, request: SweepRequest, state: SweepState, folder: SweepFolder) -> None:
        # All its points call the modules that are registered now, whatever is registered meanwhile.
        run = SweepRun(request, state, folder, self._through, self._registration.catalogue)
        self._active[state.sweep_id] = run
        task = asyncio.create_task(self._execute(state.sweep_id, run))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _execute(self, sweep_id: str, run: SweepRun) -> None:
        try:
            await run.execute()
        finally:
            del self._active[sweep_id]
            self._unwritten.pop(sweep_id, None)
            if run.is_unwritten:
                self._unwritten[sweep_id] = run.state


def _refuse_if_completed(state: SweepState, folder: SweepFolder) -> None:
    """Raise SweepConflictError when all points are completed, and the folder has what each of them became."""
    if state.status == "completed" and len(folder.outcomes(state.points.total)) == state.points.total:
        raise SweepConflictError(f"{state.sweep_id} is completed: there is nothing to go on with.")
