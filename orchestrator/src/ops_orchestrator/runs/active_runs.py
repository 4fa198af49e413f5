"""The runs that are under way in this process: starts them, lets callers wait for them, stops them with the service."""

import asyncio
from contextlib import aclosing, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import structlog

from ops_orchestrator.errors import BusyError
from ops_orchestrator.modules.catalogue import Catalogue
from ops_orchestrator.modules.client import ModuleClient
from ops_orchestrator.planning.planner import plan
from ops_orchestrator.planning.scenario import Scenario
from ops_orchestrator.runs.events import Event, RunEnded, RunStarted, interrupted, log_line
from ops_orchestrator.runs.provenance import versions
from ops_orchestrator.runs.record import Results, RunRecord
from ops_orchestrator.runs.runner import Runner
from ops_orchestrator.runs.store.folder import RunStore, new_run_id
from ops_orchestrator.runs.store.writer import RunFolder

_STOPPING: Final = "The service is stopping; try again when it is back."

_log: Any = structlog.get_logger("ops_orchestrator.run")


@dataclass(frozen=True)
class ActiveRun:
    """A run under way; it goes on whether or not anybody waits."""

    folder: RunFolder
    task: asyncio.Task[None]

    @property
    def record(self) -> RunRecord:
        """The record as of now."""
        return self.folder.state.record

    @property
    def results(self) -> Results:
        """The results as of now."""
        return self.folder.state.results

    async def wait(self, seconds: float | None = None) -> None:
        """Wait until the run is over, at most `seconds`. A caller that is cancelled does not take the run along."""
        await asyncio.wait([self.task], timeout=seconds)


class ActiveRuns:
    """Starts runs and keeps hold of them until they end."""

    def __init__(
        self, catalogue: Catalogue, store: RunStore, client: ModuleClient, *, most: int, image_digest: str | None
    ) -> None:
        self._catalogue = catalogue
        self._store = store
        self._client = client
        self._most = most
        self._versions = versions(image_digest)
        self._tasks: set[asyncio.Task[None]] = set()
        self.stopping = False

    async def start(self, scenario: Scenario) -> ActiveRun:
        """Plan the scenario and begin to execute it. Raises RequestError, StoreError."""
        steps = plan(scenario, self._catalogue)
        if self.stopping:
            raise BusyError(_STOPPING)
        if len(self._tasks) >= self._most:
            raise BusyError(f"{self._most} runs are under way, as many as OPS_MAX_CONCURRENT_RUNS allows; try again soon.")
        started = RunStarted(run_id=new_run_id(), scenario=scenario, plan=steps, versions=self._versions)
        created: asyncio.Future[RunFolder] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._run(started, created), name=started.run_id)
        self._tasks.add(task)
        task.add_done_callback(partial(self._forget, created))
        # Shielded: a caller who hangs up now leaves a run that goes on, like one who hangs up later.
        return ActiveRun(await asyncio.shield(created), task)

    async def stop(self) -> None:
        """Start no more runs, end all that are under way as interrupted, and wait until their records say so."""
        self.stopping = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _forget(self, created: asyncio.Future[RunFolder], task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        # A task that is cancelled before its first turn never runs at all; its caller must not wait for ever.
        if not created.done():
            created.set_exception(BusyError(_STOPPING))

    async def _run(self, started: RunStarted, created: asyncio.Future[RunFolder]) -> None:
        """Make the run's folder, say so in `created`, and drive the run to its end."""
        creating = asyncio.create_task(asyncio.to_thread(self._store.create, started))
        stopped = False
        try:
            folder = await asyncio.shield(creating)
        except asyncio.CancelledError:
            stopped, folder = True, await creating
        except Exception as error:  # noqa: BLE001  # handed to the caller, who is waiting for it
            created.set_exception(error)
            return
        created.set_result(folder)
        _announce(started, folder.state.record.run_id)
        try:
            await (self._record(folder, interrupted()) if stopped else self._execute(folder, started))
        finally:
            await asyncio.to_thread(self._let_go, folder)

    async def _execute(self, folder: RunFolder, started: RunStarted) -> None:
        """This is the edge: whatever breaks inside ends in the record, and the service lives."""
        runner = Runner(self._client, folder.staging)
        try:
            run_id = folder.state.record.run_id
            async with aclosing(runner.execute(run_id, started.scenario, started.plan)) as events:
                async for event in events:
                    await self._record(folder, event)
        except asyncio.CancelledError:
            await self._record(folder, interrupted())
        except Exception as error:  # noqa: BLE001  # the edge, see above
            _log.exception("run.errored", run_id=folder.state.record.run_id)
            await self._give_up(folder, error)

    def _let_go(self, folder: RunFolder) -> None:
        with suppress(OSError):  # a full disk refuses even what is still buffered
            folder.close()
        self._store.ended(folder.state.record.run_id)

    async def _record(self, folder: RunFolder, event: Event) -> None:
        # Shielded: a record that is being written when the service stops is written to its end.
        await asyncio.shield(asyncio.to_thread(folder.record, event))
        _announce(event, folder.state.record.run_id)

    async def _give_up(self, folder: RunFolder, error: Exception) -> None:
        message = f"the orchestrator could not go on: {error}"
        ended = RunEnded(status="errored", error={"code": "ORCHESTRATOR_ERROR", "message": message})
        try:
            await self._record(folder, ended)
        except Exception:  # noqa: BLE001  # still the edge
            # The disk is full or gone: the record on it stays `running` and is `interrupted` at the next start.
            _log.exception("run.unrecorded", run_id=folder.state.record.run_id)


def _announce(event: Event, run_id: str) -> None:
    """Repeat a run's event in the service's own log."""
    line = log_line(event, run_id)
    level, name = line.pop("level"), line.pop("event")
    getattr(_log, level)(name, **line)
