import asyncio
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from scripted_module import ClientFor, Gate, ScriptedModule, demo

from ops_orchestrator.errors import BusyError, StoreError
from ops_orchestrator.modules.catalogue import Catalogue
from ops_orchestrator.planning.scenario import Scenario
from ops_orchestrator.runs.active_runs import ActiveRuns
from ops_orchestrator.runs.store.folder import FolderStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FolderStore]:
    with closing(FolderStore.open(tmp_path / "runs")) as store:
        yield store


@pytest.fixture
def runs(catalogue: Catalogue, store: FolderStore, client_for: ClientFor) -> ActiveRuns:
    """Runs whose only module never answers."""
    client = client_for(ScriptedModule(answers=[Gate()]))
    return ActiveRuns(catalogue, store, client, most=10, image_digest=None)


@pytest.fixture
def scenario() -> Scenario:
    return demo("alpha")


async def test_run_that_is_stopped_while_its_folder_is_made_is_interrupted(
    runs: ActiveRuns, store: FolderStore, scenario: Scenario
) -> None:
    starting = asyncio.create_task(runs.start(scenario))
    # Two turns of the loop: the caller has asked, and the run's task is waiting for the thread that makes the folder.
    for _ in range(2):
        await asyncio.sleep(0)
    await runs.stop()
    run = await starting
    assert store.record(run.record.run_id).status == "interrupted"


async def test_run_that_is_stopped_before_its_first_turn_leaves_nothing_and_tells_its_caller(
    runs: ActiveRuns, store: FolderStore, scenario: Scenario
) -> None:
    starting = asyncio.create_task(runs.start(scenario))
    await asyncio.sleep(0)
    await runs.stop()
    with pytest.raises(BusyError, match="stopping"):
        await starting
    assert store.page(10).runs == []


async def test_stopped_service_starts_no_more_runs(runs: ActiveRuns, scenario: Scenario) -> None:
    await runs.stop()
    with pytest.raises(BusyError, match="stopping"):
        await runs.start(scenario)


async def test_caller_who_is_cancelled_while_the_folder_is_made_leaves_a_run_that_goes_on(
    runs: ActiveRuns, store: FolderStore, scenario: Scenario
) -> None:
    starting = asyncio.create_task(runs.start(scenario))
    for _ in range(2):
        await asyncio.sleep(0)
    starting.cancel()
    await asyncio.wait([starting])
    while not store.page(10, status="running").runs:  # noqa: ASYNC110  # another thread makes it true
        await asyncio.sleep(0)
    await runs.stop()
    assert [run.status for run in store.page(10).runs] == ["interrupted"]


async def test_store_that_cannot_be_written_is_the_caller_s_to_know(
    runs: ActiveRuns, store: FolderStore, scenario: Scenario
) -> None:
    store.folder.joinpath(".index.sqlite3").unlink()
    store.folder.rmdir()
    with pytest.raises(StoreError, match="cannot write a run in"):
        await runs.start(scenario)
