"""One run under way: waits for its turn, executes its plan, and ends, whatever happens. It does not need anybody to wait."""

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from ops_contract import sha256_hex
from ops_orchestrator.errors import DamagedRunError, FencedError, StoreError
from ops_orchestrator.modules.client import ModuleClient, StepClients
from ops_orchestrator.modules.trace_context import TraceContext
from ops_orchestrator.planning.scenario import Scenario
from ops_orchestrator.planning.steps import Plan, Step
from ops_orchestrator.runs.events import (
    NO_ORIGIN,
    Origin,
    PlannedModule,
    Reproduction,
    RunCancelling,
    RunEnded,
    RunQueued,
    RunStarted,
    interrupted,
)
from ops_orchestrator.runs.record import Results, RunRecord
from ops_orchestrator.runs.recorded_modules import tried_once
from ops_orchestrator.runs.recorder import Recorder
from ops_orchestrator.runs.reproduction import Original
from ops_orchestrator.runs.runner import Earlier, Runner
from ops_orchestrator.runs.turns import Turns

_RETRY_S: Final = 1.0

_log: Any = structlog.get_logger("ops_orchestrator.run")


@dataclass(frozen=True)
class Work:
    """What is to be executed, and what is there already of a run that goes on. `modules` is the modules.json of a new run.

    `original` is there when the run reproduces another one.
    """

    scenario: Scenario
    plan: Plan
    modules: bytes = b""
    earlier: Earlier = field(default_factory=Earlier)
    attempt: int = 1
    origin: Origin = NO_ORIGIN
    original: Original | None = None

    def queued(self, versions: dict[str, str | None], durability: str = "sync", key_sha256: str | None = None) -> RunQueued:
        """The event with which the run begins; `key_sha256` is that of its idempotency key."""
        return RunQueued(
            request=self.scenario.as_json(),
            plan=self.plan.as_json(),
            steps=tuple(_planned(step) for step in self.plan.steps),
            versions=versions,
            modules_sha256=sha256_hex(self.modules),
            durability=durability,
            idempotency_key=key_sha256,
            reproduces=self.origin.reproduces,
            sweep=self.origin.sweep,
            traceparent=self.origin.traceparent,
            caller=self.origin.caller,
            reproduction=self.origin.reproduction or (Reproduction() if self.origin.reproduces else None),
        )

    def started(self) -> RunStarted:
        """The event with which the execution begins."""
        return RunStarted(executor=f"{socket.gethostname()}:{os.getpid()}", attempt=self.attempt)


class ActiveRun:
    """A run that is queued, running, or could not be written to its end yet."""

    def __init__(self, work: Work, recorder: Recorder) -> None:
        self._work = work
        self._recorder = recorder
        self.unwritten: str | None = None
        """Why the end that the run has reached is not on disk, in words that follow the run's name; None when it is."""
        self._ending: RunEnded | None = None
        self._cancelled: RunCancelling | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_left = False
        self._over = asyncio.Event()
        self._interrupted = asyncio.Event()

    @property
    def record(self) -> RunRecord:
        """The record as of now."""
        return self._recorder.record

    @property
    def is_ending(self) -> bool:
        """See Recorder."""
        return self._recorder.is_ending

    @property
    def _trace(self) -> TraceContext:
        return TraceContext.of(self._recorder.run_id, self.record.traceparent)

    @property
    def results(self) -> Results:
        """The results as of now."""
        return self._recorder.results

    @property
    def results_bytes(self) -> int:
        """How many bytes the results take as JSON."""
        return self._recorder.results_bytes

    @property
    def left_s(self) -> float | None:
        """How many seconds the run may still take, whoever executes it; None when it has no deadline."""
        deadline_s = self._work.scenario.run_options.deadline_s
        if deadline_s is None:
            return None
        return deadline_s - (datetime.now(UTC) - datetime.fromisoformat(self._recorder.wanted_since)).total_seconds()

    async def wait(self, seconds: float | None = None) -> None:
        """Wait until the run is over, at most `seconds`. A caller that is cancelled does not end the run."""
        if not self._over.is_set():
            try:
                async with asyncio.timeout(seconds):
                    await self._over.wait()
            except TimeoutError:
                # Whoever is told that it goes on must find it after a power cut; elsewhere, it goes on all the same.
                with suppress(FencedError):
                    await self._recorder.durable()

    def cancel(self, by: str, caller: str | None = None) -> None:
        """End the run as cancelled, unless it ends otherwise first; `wait` for it. `caller` is as in RunCancelling."""
        if self._ending is None:
            self._cancelled = RunCancelling(by=by, caller=caller)
            message = f"the run was cancelled: {by}; `ops runs resume {self.record.run_id}` goes on with it"
            self._stop(RunEnded(status="cancelled", error={"code": "CANCELLED", "message": message}))

    def interrupt(self) -> None:
        """End the run as interrupted, since the service stops."""
        self._interrupted.set()
        self._stop(interrupted())

    def leave(self) -> None:
        """Execute the run no further, and let the next service go on with it."""
        if self._ending is None:
            self._is_left = True
            self.interrupt()

    async def execute(self, client: ModuleClient, turns: Turns, *, has_turn: bool) -> None:
        """Execute the run to its end. Returns when it is stored, or when the service stops before that can be done."""
        with self._deadline():
            self._task = asyncio.current_task()
            ended = await self._outcome(client, turns, has_turn=has_turn)
        # From here on nothing stops it: a caller must hear what is written, and the other way round.
        self._task = None
        try:
            if self._is_left:
                await self._recorder.leave()
                return
            await self._recorder.end(await self._judged(ended))
        except FencedError as error:
            await self._let_go(error)
        except Exception as error:  # noqa: BLE001  # whatever it is, the run has to end
            await self._finish(ended if ended.status == "errored" else self._errored(error))
        finally:
            self._over.set()

    async def _outcome(self, client: ModuleClient, turns: Turns, *, has_turn: bool) -> RunEnded:
        """How the run ends. Whatever breaks inside is an outcome, and the service lives."""
        if self._ending is not None:
            # It was stopped while its folder was made.
            turns.leave(has_turn=has_turn)
            return self._ending
        try:
            return await self._in_turn(client, turns, has_turn=has_turn)
        except asyncio.CancelledError:
            return await self._stopped()
        except FencedError as error:
            return self._errored(error)  # which nobody hears of: it cannot be written either
        except Exception as error:  # noqa: BLE001  # see above
            _log.exception("run.errored", **self._ids)
            return self._errored(error)

    async def _in_turn(self, client: ModuleClient, turns: Turns, *, has_turn: bool) -> RunEnded:
        if not has_turn:
            await turns.wait()
        try:
            if not has_turn:
                await self._recorder.go_on(self._work.started())
            return await self._executed(client)
        finally:
            turns.leave(has_turn=True)

    async def _executed(self, client: ModuleClient) -> RunEnded:
        work, recorder = self._work, self._recorder
        staging = recorder.staging if work.scenario.run_options.save_artifacts else None
        clients, plan = await self._modules(client)
        runner = Runner(clients, staging, recorder.add, recorder, self._trace)
        return await runner.execute(recorder.run_id, work.scenario, plan, work.earlier)

    async def _modules(self, client: ModuleClient) -> tuple[StepClients, Plan]:
        """What is called, and how: the modules, or what was recorded of them. Raises NotFoundError, StoreError."""
        plan, original, terms = self._work.plan, self._work.original, self.record.reproduction
        if original is None or terms is None or not terms.offline:
            return client, plan
        return await asyncio.to_thread(original.modules, plan, self._recorder.run_id, client.limits), tried_once(plan)

    async def _judged(self, what: RunEnded) -> RunEnded:
        """The end of the run, with a grade when it reproduces another one and was not stopped before."""
        original, terms = self._work.original, self.record.reproduction
        if original is None or terms is None or what.status not in ("completed", "failed"):
            return what
        # The comparison reads files of this run.
        await self._recorder.durable()
        record, results = self._recorder.ending(what)
        return replace(what, reproduction=await asyncio.to_thread(original.judged, record, results, terms))

    async def _stopped(self) -> RunEnded:
        if self._cancelled is not None:
            try:
                await self._recorder.add(self._cancelled)
            except Exception as error:  # noqa: BLE001  # see above
                return self._errored(error)
        return self._ending or interrupted()

    def _errored(self, error: Exception) -> RunEnded:
        reason = f"cannot write in {self._recorder.folder}: {error.strerror}" if isinstance(error, OSError) else str(error)
        remedy = f"when that is repaired, `ops runs resume {self.record.run_id}` goes on with the run"
        message = f"the orchestrator could not go on: {reason}; {remedy}"
        return RunEnded(status="errored", error={"code": "ORCHESTRATOR_ERROR", "message": message})

    async def _finish(self, ended: RunEnded) -> None:
        """End a run that could not be written; while the disk does not take its end either, it is over for all who wait."""
        while True:
            try:
                await self._recorder.finish(ended)
            except FencedError as error:
                await self._let_go(error)
                return
            except DamagedRunError as error:
                _log.exception("run.damaged", **self._ids, message=str(error))
                self._recorder.end_in_memory(ended)
                return
            except Exception as error:  # noqa: BLE001  # a disk that is full, or gone
                self.unwritten = f"has ended, but its end cannot be written yet: {error}; make room, or repair the disk"
                if not self._over.is_set():
                    _log.error("run.unrecorded", **self._ids, message=self.unwritten)
                    self._recorder.end_in_memory(ended)
                    self._over.set()
                if await within(self._interrupted, _RETRY_S):
                    return
            else:
                _log.warning("run.recorded", **self._ids, message="its end is written, as far as it went")
                return

    async def _let_go(self, error: FencedError) -> None:
        """Leave the run to whoever has taken it over: it did not end, and what was not written did not happen."""
        with suppress(StoreError):
            await self._recorder.abandon()
        self.unwritten = None
        _log.warning("run.taken_over", **self._ids, message=str(error))

    @property
    def _ids(self) -> dict[str, str]:
        return {"run_id": self._recorder.run_id, "trace_id": self._trace.trace_id}

    def _stop(self, ended: RunEnded) -> None:
        self._ending = self._ending or ended
        if self._task is not None:
            self._task.cancel()

    @contextmanager
    def _deadline(self) -> Iterator[None]:
        """End the run as failed when it is not over within its deadline; before it does anything if that has passed."""
        left_s = self.left_s
        if left_s is None:
            yield
        elif left_s <= 0:
            self._be_late()
            yield
        else:
            timer = asyncio.get_running_loop().call_later(left_s, self._be_late)
            try:
                yield
            finally:
                timer.cancel()

    def _be_late(self) -> None:
        deadline_s = self._work.scenario.run_options.deadline_s
        remedy = "a resume keeps this deadline, so run it again with `ops run FILE --deadline SECONDS`"
        message = f"the run was not over within its deadline_s of {deadline_s:g} s; {self._doing()}; {remedy}"
        self._stop(RunEnded(status="failed", error={"code": "RUN_DEADLINE", "message": message}))

    def _doing(self) -> str:
        """What the run does now, in words."""
        if self.record.status == "queued":
            return "it waited for its turn"
        under_way = next((step.id for step in self.record.steps if step.status == "running"), None)
        return f"step {under_way} was under way" if under_way else "no step was under way"


async def within(event: asyncio.Event, seconds: float | None) -> bool:
    """Whether `event` is set within so many seconds, however many they are for None."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()


def _planned(step: Step) -> PlannedModule:
    module = step.module
    adapter = module.adapter.fingerprint(step.action) if module.adapter else None
    return PlannedModule(step.id, module.name, step.action, module.image_digest, adapter)
