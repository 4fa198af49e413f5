"""The runs under way in this process, by id: starts and resumes them, finds them, stops them with the service."""

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any, Final, NamedTuple

from ops_contract import fingerprint, sha256_hex
from ops_orchestrator.errors import BusyError, ConflictError, NotFoundError, ReusedKeyError, RunExistsError, UnderWayError
from ops_orchestrator.modules.catalogue import Catalogue
from ops_orchestrator.modules.client import ModuleClient
from ops_orchestrator.modules.frozen_modules import freeze_modules
from ops_orchestrator.modules.registration import Registration
from ops_orchestrator.planning.pins import Pins
from ops_orchestrator.planning.planner import plan
from ops_orchestrator.planning.scenario import Scenario
from ops_orchestrator.planning.steps import Plan
from ops_orchestrator.runs.active_run import ActiveRun, Work, within
from ops_orchestrator.runs.events import NO_ORIGIN, Event, Origin, Reproduction, RunQueued, RunResumed, Status
from ops_orchestrator.runs.pins import refuse_unless_pinned
from ops_orchestrator.runs.provenance import versions
from ops_orchestrator.runs.record import RunRecord
from ops_orchestrator.runs.recorder import Recorder
from ops_orchestrator.runs.reproduction import Original
from ops_orchestrator.runs.resumption import files_to_move, work_left
from ops_orchestrator.runs.run_id import new_run_id
from ops_orchestrator.runs.run_state import RunState
from ops_orchestrator.runs.store.protocols import Reopened, RunStore, StoredRun
from ops_orchestrator.runs.turns import Turns

# Pauses between two looks at whether the run of a key is made, which takes milliseconds.
_UNTIL_MADE_S: Final = 0.02
_LONGEST_PAUSE_S: Final = 0.5
_IS_MADE: Final = (
    "The run of this idempotency key is still being made, or the process that made it was lost; repeat the request soon: "
    "within a minute at most, the key has its run, or is free."
)
# From when on the end of a run is found in the store until it is flushed and the run is free, which takes milliseconds as well.
_LET_GO_S: Final = 5.0
_UNTIL_LET_GO_S: Final = 0.02
_ELSEWHERE_S: Final = 60.0
_PAUSES_S: Final = (0.05, 1.0)
_STOPPING: Final = "The service is stopping; try again when it is back."


class _KeyIsHeld(Exception):  # noqa: N818  # it is an answer
    """An idempotency key has a run already; `run` is None while that is being made."""

    def __init__(self, run: ActiveRun | RunRecord | None) -> None:
        super().__init__()
        self.run = run


class _Made(NamedTuple):
    """A run that can be executed, and whether it has a turn or a place among those who wait for one."""

    run: ActiveRun
    has_turn: bool


class ActiveRuns:
    """Starts runs and keeps hold of them until they are over and stored.

    Where the next service goes on with what this one leaves, `leaves_runs`, runs are not ended when this one stops.
    """

    def __init__(  # noqa: PLR0913  # what a run is made with, each passed in
        self,
        registration: Registration,
        store: RunStore,
        client: ModuleClient,
        *,
        turns: Turns,
        image_digest: str | None,
        leaves_runs: bool = False,
        key_patience_s: float = 15.0,
    ) -> None:
        self._registration = registration
        self._store = store
        self._client = client
        self._turns = turns
        self._versions = versions(image_digest)
        self._tasks: set[asyncio.Task[None]] = set()
        self._runs: dict[str, ActiveRun] = {}
        self._making: set[str] = set()
        self._leaves_runs = leaves_runs
        self._key_patience_s = key_patience_s
        self._stop_begun = asyncio.Event()
        self._draining = False

    @property
    def stopping(self) -> bool:
        """Whether `drain` or `stop` was called, so that nothing is started any more."""
        return self._draining or self._stop_begun.is_set()

    @property
    def count(self) -> int:
        """How many runs are under way in this process, those in the queue included."""
        return len(self._tasks)

    async def start(
        self,
        scenario: Scenario,
        *,
        catalogue: Catalogue | None = None,
        origin: Origin = NO_ORIGIN,
        original: StoredRun | None = None,
        new_key: str | None = None,
    ) -> ActiveRun:
        """Plan the scenario and begin to execute it, with the registered modules unless others are given.

        The run that it reproduces is looked up in the store unless `original` is given. `new_key` is an idempotency key of
        which the caller knows that it was never used; `start_once` finds the run by it. Raises RequestError, StoreError.
        """
        work = self._work(scenario, catalogue, origin, original)
        key_sha256 = None if new_key is None else sha256_hex(new_key.encode())
        return await self._launch(lambda: self._created_anyhow(work, key_sha256))

    async def start_once(
        self, scenario: Scenario, key: str, *, catalogue: Catalogue | None = None, origin: Origin = NO_ORIGIN
    ) -> ActiveRun | RunRecord:
        """As `start`, unless a run has this idempotency key already: then that run, or its record when it is not active here.

        Raises RequestError, StoreError.
        """
        work = self._work(scenario, catalogue, origin, None)
        key_sha256 = sha256_hex(key.encode())
        queued = self._queued(work, key_sha256)
        until, pause_s = asyncio.get_running_loop().time() + self._key_patience_s, _UNTIL_MADE_S
        while True:
            try:
                return await self._launch(lambda: self._created_once(work, queued, key_sha256))
            except _KeyIsHeld as held:
                if held.run is not None:
                    return held.run
            if asyncio.get_running_loop().time() > until:
                raise BusyError(_IS_MADE)
            # Not in the task, which goes on without its caller.
            await within(self._stop_begun, pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def resume(self, run_id: str, caller: str | None = None) -> ActiveRun:
        """Go on with a run that is over, from its first step that is not completed. Raises RequestError, StoreError.

        `caller` is as in RunResumed.
        """
        return await self._launch(lambda: self._reopened(run_id, caller))

    async def check_pins(self, plan: Plan, pins: Pins) -> None:
        """Raise PinnedVersionError when a sweep of `plan` cannot be run, since a module is not the one that it pins."""
        await refuse_unless_pinned(self._client, plan, pins, "sweep")

    async def wait_elsewhere(self, record: RunRecord, seconds: float | None) -> RunRecord:
        """Wait for a run that another process executes, at most `seconds`, and a minute; returns its record as of then.

        Raises NotFoundError, StoreError, and BusyError when this service stops meanwhile.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + min(_ELSEWHERE_S, math.inf if seconds is None else seconds)
        pause_s, longest_pause_s = _PAUSES_S
        while not record.is_over and (left_s := until - loop.time()) > 0:
            if await within(self._stop_begun, min(pause_s, left_s)):
                raise BusyError(_STOPPING)
            pause_s = min(2 * pause_s, longest_pause_s)
            record = await asyncio.to_thread(self._store.record, record.run_id)
        return record

    async def take_over(self, run_id: str) -> ActiveRun:
        """Go on with a run that a dead service left, once that is on disk. Raises RequestError, StoreError."""
        return await self._launch(lambda: self._reopened(run_id, None, is_left=True))

    async def claim(self, run_id: str) -> ActiveRun:
        """Execute a run that is not over, and that nobody has: it begins, or goes on. Raises as `take_over` does."""
        return await self._launch(lambda: self._reopened(run_id, None, is_left=True, may_begin=True))

    def elsewhere(self, record: RunRecord) -> None:
        """See Runs: of runs of other processes nothing is known here."""

    def find(self, run_id: str) -> ActiveRun | None:
        """The run `run_id` if it is under way in this process."""
        return self._runs.get(run_id)

    def by_status(self) -> Counter[Status]:
        """How many runs under way in this process have which status."""
        return Counter(run.record.status for run in self._runs.values())

    async def drain(self, seconds: float) -> None:
        """Start no more runs; returns when none is under way, or so many seconds have passed."""
        self._draining = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)

    async def stop(self) -> None:
        """Start no more runs, end those under way as interrupted, or leave them, and wait until that is stored."""
        self._stop_begun.set()
        for run in self._runs.values():
            self._stop(run)
        await asyncio.gather(*self._tasks)

    async def _launch(self, make: Callable[[], Coroutine[Any, Any, _Made]]) -> ActiveRun:
        """Have a task make a run and execute it; returns the run when it is made."""
        if self.stopping:
            raise BusyError(_STOPPING)
        made: asyncio.Future[ActiveRun] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._run(make, made))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await made

    async def _run(self, make: Callable[[], Coroutine[Any, Any, _Made]], made: "asyncio.Future[ActiveRun]") -> None:
        """Make the run, say so in `made`, and drive it to its end.

        Whoever hangs up, now or later, cancels `made` and not the run.
        """
        try:
            if self.stopping:
                raise BusyError(_STOPPING)  # noqa: TRY301  # as any other error it goes to the caller
            run, has_turn = await make()
        except Exception as error:  # noqa: BLE001  # handed to the caller, who is waiting for it
            if not made.done():
                made.set_exception(error)
            return
        if not made.done():
            made.set_result(run)
        if self._stop_begun.is_set():
            self._stop(run)
        try:
            await run.execute(self._client, self._turns, has_turn=has_turn)
        finally:
            del self._runs[run.record.run_id]

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[bool]:
        """Take a turn, or a place among those who wait for one, for a run that is made inside. Raises BusyError."""
        has_turn = await self._turns.take_now()
        try:
            yield has_turn
        except BaseException:
            self._turns.leave(has_turn=has_turn)
            raise

    async def _created(self, work: Work, *, queued: RunQueued, run_id: str) -> _Made:
        """Make the run `run_id`. Raises PinnedVersionError, BusyError, RunExistsError, StoreError."""
        if queued.reproduction is None or not queued.reproduction.offline:
            await refuse_unless_pinned(self._client, work.plan, work.scenario.run_options.pin)
        async with self._turn() as has_turn:
            first = Event(run_id=run_id, seq=1, what=queued)
            state, events = RunState(first), [first]
            if has_turn:
                events.append(Event(run_id=run_id, seq=2, what=work.started()))
                state.apply(events[1])
            writer = await self._store.create(events, state.record, work.modules)
            return self._register(ActiveRun(work, Recorder(writer, state)), has_turn=has_turn)

    async def _created_anyhow(self, work: Work, key_sha256: str | None) -> _Made:
        """Make a run under a new id. Raises BusyError, StoreError."""
        queued = self._queued(work, key_sha256)
        while True:
            with suppress(RunExistsError):
                return await self._created(work, queued=queued, run_id=new_run_id())

    async def _created_once(self, work: Work, queued: RunQueued, key_sha256: str) -> _Made:
        """Make a run that has an idempotency key. Raises _KeyIsHeld, ReusedKeyError, BusyError, StoreError."""
        run_id = new_run_id()
        self._making.add(run_id)
        try:
            await self._claim(key_sha256, run_id, queued)
            try:
                return await self._created(work, queued=queued, run_id=run_id)
            except Exception:
                await asyncio.to_thread(self._store.release, key_sha256, run_id)
                raise
        finally:
            self._making.discard(run_id)

    def _queued(self, work: Work, key_sha256: str | None = None) -> RunQueued:
        return work.queued(self._versions, self._store.durability, key_sha256)

    def _stop(self, run: ActiveRun) -> None:
        if self._leaves_runs:
            run.leave()
        else:
            run.interrupt()

    def _register(self, run: ActiveRun, *, has_turn: bool) -> _Made:
        self._runs[run.record.run_id] = run
        return _Made(run, has_turn)

    async def _claim(self, key_sha256: str, run_id: str, queued: RunQueued) -> None:
        """Claim an idempotency key for a new run. Raises _KeyIsHeld with the run that has it, ReusedKeyError, StoreError."""
        holder = await asyncio.to_thread(self._store.claim, key_sha256, run_id)
        if holder == run_id:
            return
        run = await self._made(holder)
        if run is not None and _wanted(run if isinstance(run, RunRecord) else run.record) != _wanted(queued):
            raise ReusedKeyError(
                f"{holder} was started with this key and another request (scenario, labels, deadline or pins); "
                "take a new key, or repeat that request."
            )
        raise _KeyIsHeld(run)

    async def _made(self, run_id: str | None) -> ActiveRun | RunRecord | None:
        """The run that holds a key; None while it is being made, here or in another process, or when it was just removed."""
        if run_id is None or run_id in self._making:
            return None
        run = self.find(run_id)
        if run is not None:
            return run
        with suppress(NotFoundError):
            return await asyncio.to_thread(self._store.record, run_id)
        return None

    async def _reopened(self, run_id: str, caller: str | None, *, is_left: bool = False, may_begin: bool = False) -> _Made:
        """Take up a run that is over, that a dead service left, or that only has to begin. Raises RequestError, StoreError."""
        if (active := self.find(run_id)) is not None and active.is_ending:
            await active.wait()
        if (active := self.find(run_id)) is not None:
            if active.unwritten is not None:
                raise ConflictError(f"{run_id} {active.unwritten}, and try again.")
            raise UnderWayError(run_id, active.record.status)
        reopened = await (self._store.take_over(run_id) if is_left else self._reopened_when_let_go(run_id))
        try:
            if not is_left:  # one that was left takes what it needs, or stays as it is
                await asyncio.to_thread(self._store.check_room)
            work = await asyncio.to_thread(work_left, self._store, reopened, self._registration.catalogue)
            recorder = Recorder(reopened.writer, reopened.state, reopened.results)
            begins = may_begin and _only_begins(reopened.state.record, self._store)
            work = replace(work, attempt=work.attempt - 1) if begins else work
            moved, durability = files_to_move(reopened.state), self._store.durability
            async with self._turn() as has_turn:
                if not begins:
                    resumed = RunResumed(attempt=work.attempt, files=moved, durability=durability, caller=caller)
                    await recorder.go_on(resumed)
                if has_turn:
                    await recorder.go_on(work.started())
                if is_left:
                    # While the disk is full it stays as it was left, and nothing of it is lost.
                    await recorder.durable()
        except BaseException:
            await reopened.writer.abandon()
            raise
        return self._register(ActiveRun(work, recorder), has_turn=has_turn)

    async def _reopened_when_let_go(self, run_id: str) -> Reopened:
        """Take up a run that is over when whoever ended it has let go of it. Raises RequestError, StoreError."""
        until = asyncio.get_running_loop().time() + _LET_GO_S
        while True:
            try:
                return await self._store.reopen(run_id)
            except UnderWayError:
                # Its end is found a moment before that. Of somebody who resumes it, the record tells at once.
                record = await asyncio.to_thread(self._store.record, run_id)
                if not record.is_over or asyncio.get_running_loop().time() > until:
                    raise
            if await within(self._stop_begun, _UNTIL_LET_GO_S):
                raise BusyError(_STOPPING)

    def _work(self, scenario: Scenario, catalogue: Catalogue | None, origin: Origin, original: StoredRun | None) -> Work:
        """What a new run has to do, with the registered modules unless others are given. Raises RequestError."""
        catalogue = catalogue or self._registration.catalogue
        steps = plan(scenario, catalogue)
        modules = freeze_modules(catalogue, tuple(dict.fromkeys(step.module.name for step in steps.steps)))
        run = original or (self._store.run(origin.reproduces) if origin.reproduces else None)
        return Work(scenario, steps, modules, origin=origin, original=Original(run, self._store) if run else None)


def _only_begins(record: RunRecord, store: RunStore) -> bool:
    """Whether a run had no turn since it was made or resumed, and is kept here as it was made to be."""
    return record.status == "queued" and record.durability == store.durability


def _wanted(run: RunRecord | RunQueued) -> tuple[str, str | None, Reproduction | None]:
    """What a run was wanted for, which has to be the same when its idempotency key comes again."""
    return fingerprint(run.request), run.reproduces, run.reproduction and run.reproduction.ungraded()
