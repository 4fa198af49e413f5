"""The runs that are under way in this process: starts them, lets callers wait for them, stops them with the service."""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import structlog

from ops_orchestrator.catalogue import Catalogue
from ops_orchestrator.errors import BusyError, StoreError
from ops_orchestrator.events import Event, RunEnded, RunStarted, log_line
from ops_orchestrator.module_client import ModuleClient
from ops_orchestrator.planner import plan
from ops_orchestrator.provenance import versions
from ops_orchestrator.record import Results, RunRecord
from ops_orchestrator.run_folder import RunFolder
from ops_orchestrator.run_store import INTERRUPTED, RunStore, new_run_id
from ops_orchestrator.runner import Runner
from ops_orchestrator.scenario import Scenario

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

    async def wait(self, seconds: float | None = None) -> bool:
        """Wait until the run is over, at most `seconds`. A caller that is cancelled does not take the run along."""
        await asyncio.wait([self.task], timeout=seconds)
        return self.task.done()


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
        self._underway = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, scenario: Scenario) -> ActiveRun:
        """Plan the scenario and begin to execute it. Raises RequestError, StoreError."""
        steps = plan(scenario, self._catalogue)
        if self._underway >= self._most:
            raise BusyError(f"{self._most} runs are under way, as many as OPS_MAX_CONCURRENT_RUNS allows; try again soon.")
        self._underway += 1
        try:
            started = RunStarted(run_id=new_run_id(), scenario=scenario, plan=steps, versions=self._versions)
            folder = await asyncio.to_thread(self._store.create, started)
        except BaseException:
            self._underway -= 1
            raise
        _announce(started, folder.state.record.run_id)
        task = asyncio.create_task(self._execute(folder, started), name=folder.state.record.run_id)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return ActiveRun(folder, task)

    async def stop(self) -> None:
        """End all runs as interrupted and wait until their records say so."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._underway -= 1
        self._tasks.discard(task)

    async def _execute(self, folder: RunFolder, started: RunStarted) -> None:
        """Drive one run to its end. This is the edge: whatever breaks inside ends in the record, and the service lives."""
        runner = Runner(self._client, folder.staging)
        try:
            run_id = folder.state.record.run_id
            async with aclosing(runner.execute(run_id, started.scenario, started.plan)) as events:
                async for event in events:
                    await self._record(folder, event)
        except asyncio.CancelledError:
            await self._record(folder, RunEnded(status="interrupted", error=INTERRUPTED))
            raise
        except Exception as error:  # noqa: BLE001  # the edge, see above
            _log.exception("run.errored", run_id=folder.state.record.run_id)
            await self._give_up(folder, error)
        finally:
            folder.close()
            await asyncio.to_thread(self._store.ended, folder)

    async def _record(self, folder: RunFolder, event: Event) -> None:
        # Shielded: a record that is being written when the service stops is written to its end.
        await asyncio.shield(asyncio.to_thread(folder.record, event))
        _announce(event, folder.state.record.run_id)

    async def _give_up(self, folder: RunFolder, error: Exception) -> None:
        message = f"the orchestrator could not go on: {error}"
        ended = RunEnded(status="errored", error={"code": "ORCHESTRATOR_ERROR", "message": message})
        try:
            await self._record(folder, ended)
        except (OSError, StoreError):
            # The disk is full or gone: the record on it stays `running` and is `interrupted` at the next start.
            _log.exception("run.unrecorded", run_id=folder.state.record.run_id)


def _announce(event: Event, run_id: str) -> None:
    """Repeat a run's event in the service's own log."""
    line = log_line(event, run_id)
    level, name = line.pop("level"), line.pop("event")
    getattr(_log, level)(name, **line)
