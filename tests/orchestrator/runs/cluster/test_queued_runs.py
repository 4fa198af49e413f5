"""What becomes of a run between its making and the queue."""

import asyncio
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from scripted_module import ClientFor, ScriptedModule, demo
from troubled_disk import HeldDisk

from ops_orchestrator.modules.catalogue import Catalogue
from ops_orchestrator.modules.registration import Registration
from ops_orchestrator.runs.active_runs import ActiveRuns
from ops_orchestrator.runs.cluster.news import News
from ops_orchestrator.runs.cluster.procrastinate_queue import ProcrastinateQueue
from ops_orchestrator.runs.cluster.queued_runs import QueuedRuns
from ops_orchestrator.runs.store.folder import FolderStore
from ops_orchestrator.runs.store.sqlite_index import SqliteIndex
from ops_orchestrator.runs.store.sync import NoSync

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


async def test_run_that_is_being_made_when_the_service_stops_is_put_into_the_queue(
    queue: ProcrastinateQueue, news: News, catalogue: Catalogue, client_for: ClientFor, tmp_path: Path
) -> None:
    held = HeldDisk()
    while not news.is_connected:  # noqa: ASYNC110  # another task makes it true
        await asyncio.sleep(0.01)
    with closing(FolderStore(tmp_path, SqliteIndex.open(tmp_path), NoSync(), [held])) as store:
        active = partial(ActiveRuns, Registration(catalogue), store, client_for(ScriptedModule()), image_digest=None)
        runs = QueuedRuns(active, store, queue, news=news, most_waiting=1)
        starting = asyncio.create_task(runs.start(demo("alpha")))
        await asyncio.to_thread(held.reached.wait)
        stopping = asyncio.create_task(runs.stop())
        for _ in range(5):
            await asyncio.sleep(0)
        held.released.set()
        run_id = (await starting).record.run_id
        await stopping
        assert (store.record(run_id).status, await queue.missing([run_id])) == ("queued", set())
