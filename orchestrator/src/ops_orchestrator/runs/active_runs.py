"""The runs under way in this process, by id: starts them, lets callers wait for them, stops them with the service."""

import asyncio
from contextlib import aclosing
from functools import partial
from typing import Any, Final

import structlog

from ops_orchestrator.errors import BusyError
from ops_orchestrator.modules.catalogue import Catalogue
from ops_orchestrator.modules.client import ModuleClient
from ops_orchestrator.modules.uninterrupted import uninterrupted
from ops_orchestrator.planning.planner import plan
from ops_orchestrator.planning.scenario import Scenario
from ops_orchestrator.runs.events import Event, RunEnded, RunStarted, interrupted
from ops_orchestrator.runs.feed import EventConsumer
from ops_orchestrator.runs.provenance import versions
from ops_orchestrator.runs.record import Results, RunRecord
from ops_orchestrator.runs.recorder import Recorder
from ops_orchestrator.runs.runner import Runner
from ops_orchestrator.runs.store.protocols import RunStore

_STOPPING: Final = "The service is stopping; try again when it is back."

_log: Any = structlog.get_logger("ops_orchestrator.run")


class ActiveRun:
    """A run under way; it goes on whether or not anybody waits."""

    def __init__(self, recorder: Recorder, task: asyncio.Task[None]) -> None:
        self._recorder = recorder
        self._task = task

    @property
    def record(self) -> RunRecord:
        """The record as of now."""
        return self._recorder.state.record

    @property
    def results(self) -> Results:
        """The results as of now."""
        return self._recorder.state.results

    async def wait(self, seconds: float | None = None) -> None:
        """Wait until the run is over, at most `seconds`. A caller that is cancelled does not end the run."""
        await asyncio.wait([self._task], timeout=seconds)


class ActiveRuns:
    """Starts runs and keeps hold of them until they end. Their events go to the store first, then to `consumers`."""

    def __init__(  # noqa: PLR0913  # what a run is made with, each passed in
        self,
        catalogue: Catalogue,
        store: RunStore,
        client: ModuleClient,
        consumers: tuple[EventConsumer, ...] = (),
        *,
        most: int,
        image_digest: str | None,
    ) -> None:
        self._catalogue = catalogue
        self._store = store
        self._client = client
        self._consumers = consumers
        self._most = most
        self._versions = versions(image_digest)
        self._tasks: set[asyncio.Task[None]] = set()
        self._runs: dict[str, ActiveRun] = {}
        self.stopping = False

    async def start(self, scenario: Scenario) -> ActiveRun:
        """Plan the scenario and begin to execute it. Raises RequestError, StoreError."""
        steps = plan(scenario, self._catalogue)
        if self.stopping:
            raise BusyError(_STOPPING)
        if len(self._tasks) >= self._most:
            raise BusyError(f"{self._most} runs are under way, as many as OPS_MAX_CONCURRENT_RUNS allows; try again soon.")
        started = RunStarted(scenario=scenario, plan=steps, versions=self._versions)
        created: asyncio.Future[ActiveRun] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._run(started, created))
        self._tasks.add(task)
        task.add_done_callback(partial(self._forget, created))
        # Shielded: a caller who hangs up now leaves a run that goes on, like one who hangs up later.
        return await asyncio.shield(created)

    def find(self, run_id: str) -> ActiveRun | None:
        """The run `run_id` if it is under way in this process."""
        return self._runs.get(run_id)

    async def stop(self) -> None:
        """Start no more runs, end those under way as interrupted, and wait until their records say so."""
        self.stopping = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _forget(self, created: asyncio.Future[ActiveRun], task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        # A task that is cancelled before its first turn never runs at all; its caller must not wait for ever.
        if not created.done():
            created.set_exception(BusyError(_STOPPING))

    async def _run(self, started: RunStarted, created: asyncio.Future[ActiveRun]) -> None:
        """Create the run, say so in `created`, and drive it to its end."""
        try:
            (recorder, event), stopped = await uninterrupted(asyncio.to_thread(Recorder.create, self._store, started))
        except Exception as error:  # noqa: BLE001  # handed to the caller, who is waiting for it
            created.set_exception(error)
            return
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # this is a coroutine
        run = self._runs[event.run_id] = ActiveRun(recorder, task)
        created.set_result(run)
        try:
            await self._execute(recorder, started, event, stopped=stopped)
        finally:
            del self._runs[event.run_id]
            await uninterrupted(asyncio.to_thread(recorder.close))

    async def _execute(self, recorder: Recorder, started: RunStarted, first: Event, *, stopped: bool) -> None:
        """This is the edge: whatever breaks inside ends in the record, and the service lives."""
        runner = Runner(self._client, recorder.staging)
        run_id = first.run_id
        try:
            await self._announce(first)
            if stopped:
                await self._end(recorder, interrupted())
                return
            async with aclosing(runner.execute(run_id, started.scenario, started.plan, first_seq=first.seq + 1)) as events:
                async for event in events:
                    await self._deliver(recorder, event)
        except asyncio.CancelledError:
            await self._end(recorder, interrupted())
        except Exception as error:  # noqa: BLE001  # the edge, see above
            _log.exception("run.errored", run_id=run_id)
            await self._give_up(recorder, error)

    async def _deliver(self, recorder: Recorder, event: Event) -> None:
        _, cancelled = await uninterrupted(asyncio.to_thread(recorder.write, event))
        # What is written is announced, also when the run is stopped meanwhile.
        await self._announce(event)
        if cancelled:
            raise asyncio.CancelledError

    async def _announce(self, event: Event) -> None:
        for consumer in self._consumers:
            await consumer.take(event)

    async def _end(self, recorder: Recorder, ended: RunEnded) -> None:
        """End a run that did not come to its end by itself; nothing happens to one that did.

        A run whose last event could not be written is not at its end: its caller must not hear that it completed.
        """
        state = recorder.state
        if not recorder.is_sealed:
            await self._deliver(recorder, Event(run_id=state.record.run_id, seq=state.seq + 1, what=ended))

    async def _give_up(self, recorder: Recorder, error: Exception) -> None:
        message = f"the orchestrator could not go on: {error}"
        try:
            await self._end(recorder, RunEnded(status="errored", error={"code": "ORCHESTRATOR_ERROR", "message": message}))
        except Exception:  # noqa: BLE001  # still the edge
            # The disk is full or gone: the record on it stays `running` and is `interrupted` at the next start.
            _log.exception("run.unrecorded", run_id=recorder.state.record.run_id)
