"""What is said of a run while its end is being written, which the list of runs reads from the disk."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI
from scripted_module import ClientFor, ScriptedModule, demo, error_envelope, success
from troubled_disk import HeldDisk

from ops_orchestrator.errors import BusyError
from ops_orchestrator.modules.catalogue import Catalogue
from ops_orchestrator.modules.client import ModuleClient
from ops_orchestrator.modules.registration import Registration
from ops_orchestrator.runs.active_run import ActiveRun
from ops_orchestrator.runs.active_runs import ActiveRuns
from ops_orchestrator.runs.event_stream import EventStream
from ops_orchestrator.runs.store.folder import FolderStore
from ops_orchestrator.runs.store.sqlite_index import SqliteIndex
from ops_orchestrator.runs.store.sync import NoSync
from ops_orchestrator.runs.turns import LocalTurns
from ops_orchestrator.service.routes.events import events_routes
from ops_orchestrator.service.routes.evidence import evidence_routes
from ops_orchestrator.service.routes.runs import runs_routes

BEFORE_THE_RECORD, AFTER_THE_RECORD = 1, 2
"""The flushes of a run that ends: of its other files, and, when its final record is in place, of that."""


class Ending:
    """A run of the modules alpha and beta, the second of which fails once, whose end is held back; and its service."""

    def __init__(self, run: ActiveRun, runs: ActiveRuns, service: httpx2.AsyncClient, held: HeldDisk) -> None:
        self.run, self.runs, self.service, self.held = run, runs, service, held
        self.address = f"/runs/{run.record.run_id}"

    async def statuses(self) -> tuple[str, str, str]:
        """The run's status in the list, and then in its record and its evidence."""
        (listed,) = (await self.service.get("/runs")).json()["runs"]
        record, evidence = [(await self.service.get(f"{self.address}{path}")).json() for path in ("", "/evidence")]
        return listed["status"], record["status"], evidence["status"]


def runs_in(store: FolderStore, catalogue: Catalogue, client: ModuleClient) -> ActiveRuns:
    return ActiveRuns(Registration(catalogue), store, client, turns=LocalTurns(9, 9), image_digest=None)


@asynccontextmanager
async def ending(folder: Path, catalogue: Catalogue, client_for: ClientFor, flush: int) -> AsyncIterator[Ending]:
    """A run that is held back at `flush`, until it is released, or the end of the context."""
    held = HeldDisk(flush=flush)
    store = FolderStore(folder, SqliteIndex.open(folder), held)
    refusal = httpx2.Response(422, json=error_envelope("beta"))
    client = client_for(ScriptedModule(), ScriptedModule("beta", answers=[refusal, success("beta")]))
    runs = runs_in(store, catalogue, client)

    def is_executed(run_id: str) -> bool:
        return runs.find(run_id) is not None

    app = FastAPI()
    app.include_router(runs_routes(store, runs))
    app.include_router(evidence_routes(store, runs))
    app.include_router(events_routes(store, EventStream(), is_executed, is_executed))
    run = await runs.start(demo("alpha", "beta"))
    await asyncio.to_thread(held.reached.wait)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://ops.localhost") as service:
        try:
            yield Ending(run, runs, service, held)
        finally:
            held.released.set()
            await runs.stop()
            store.close()


@pytest.mark.parametrize(("flush", "status"), [(BEFORE_THE_RECORD, "running"), (AFTER_THE_RECORD, "failed")])
async def test_list_record_and_evidence_agree_about_a_run_whose_end_is_written(
    tmp_path: Path, catalogue: Catalogue, client_for: ClientFor, flush: int, status: str
) -> None:
    async with ending(tmp_path, catalogue, client_for, flush) as found:
        assert await found.statuses() == (status,) * 3


@pytest.mark.parametrize("flush", [BEFORE_THE_RECORD, AFTER_THE_RECORD])
async def test_results_of_a_run_whose_end_is_written_are_those_of_its_completed_steps(
    tmp_path: Path, catalogue: Catalogue, client_for: ClientFor, flush: int
) -> None:
    async with ending(tmp_path, catalogue, client_for, flush) as found:
        results = (await found.service.get(f"{found.address}/results")).json()
        found.held.released.set()
        await found.run.wait()
        assert (await found.service.get(f"{found.address}/results")).json() == results
    assert list(results["steps"]) == ["alpha"]


async def test_who_reads_the_last_event_of_a_run_finds_it_over_though_its_end_is_still_written(
    tmp_path: Path, catalogue: Catalogue, client_for: ClientFor
) -> None:
    async with ending(tmp_path, catalogue, client_for, AFTER_THE_RECORD) as found:
        streamed = (await found.service.get(f"{found.address}/events")).text
        assert await found.statuses() == ("failed",) * 3
    assert '"event":"run.ended"' in streamed


async def test_run_that_is_listed_as_over_is_resumed_when_its_end_is_written(
    tmp_path: Path, catalogue: Catalogue, client_for: ClientFor
) -> None:
    async with ending(tmp_path, catalogue, client_for, AFTER_THE_RECORD) as found:
        resuming = asyncio.create_task(found.runs.resume(found.run.record.run_id))
        for _ in range(5):
            await asyncio.sleep(0)
        found.held.released.set()
        resumed = await resuming
        await resumed.wait()
        assert (resumed.record.status, resumed.record.attempt) == ("completed", 2)


@asynccontextmanager
async def resuming_elsewhere(
    found: Ending, folder: Path, catalogue: Catalogue, client: ModuleClient
) -> AsyncIterator[tuple[ActiveRuns, asyncio.Task[ActiveRun]]]:
    """The runs of another process over the same folder, which has begun to resume the one whose end is held back."""
    with closing(FolderStore(folder, SqliteIndex.open(folder), NoSync())) as store:
        other = runs_in(store, catalogue, client)
        resuming = asyncio.create_task(other.resume(found.run.record.run_id))
        # One that is refused is refused at once.
        await asyncio.wait({resuming}, timeout=0.2)
        yield other, resuming


async def test_run_that_is_listed_as_over_is_resumed_by_another_process_when_it_is_let_go(
    tmp_path: Path, catalogue: Catalogue, client_for: ClientFor
) -> None:
    client = client_for(ScriptedModule(), ScriptedModule("beta"))
    async with (
        ending(tmp_path, catalogue, client_for, AFTER_THE_RECORD) as found,
        resuming_elsewhere(found, tmp_path, catalogue, client) as (_, resuming),
    ):
        found.held.released.set()
        resumed = await resuming
        await resumed.wait()
        assert (resumed.record.status, resumed.record.attempt) == ("completed", 2)


async def test_resume_that_waits_for_another_process_ends_when_its_own_stops(
    tmp_path: Path, catalogue: Catalogue, client_for: ClientFor
) -> None:
    async with (
        ending(tmp_path, catalogue, client_for, AFTER_THE_RECORD) as found,
        resuming_elsewhere(found, tmp_path, catalogue, client_for(ScriptedModule())) as (other, resuming),
    ):
        await other.stop()
        with pytest.raises(BusyError):
            await resuming
