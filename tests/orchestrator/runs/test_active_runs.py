import asyncio
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from scripted_module import ClientFor, Gate, ScriptedModule, demo

from ops_orchestrator.errors import BusyError, StoreError
from ops_orchestrator.modules.catalogue import Catalogue
from ops_orchestrator.planning.scenario import Scenario
from ops_orchestrator.runs.active_runs import ActiveRuns
from ops_orchestrator.runs.events import Event
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


class Listener:
    """A consumer that keeps what it takes, and what the run's log holds at that moment; it may refuse an event."""

    def __init__(self, store: FolderStore, refuses: str = "") -> None:
        self.events: list[Event] = []
        self.logged: list[list[int]] = []
        self._store = store
        self._refuses = refuses

    async def take(self, event: Event) -> None:
        lines = self._store.document(event.run_id, "logs.jsonl").splitlines()
        self.events.append(event)
        self.logged.append([json.loads(line)["seq"] for line in lines])
        if event.what.name == self._refuses:
            raise RuntimeError("the listener broke")


async def test_consumers_learn_of_each_event_in_order_once_it_is_in_the_log(
    catalogue: Catalogue, store: FolderStore, client_for: ClientFor
) -> None:
    listeners = (Listener(store), Listener(store))
    runs = ActiveRuns(catalogue, store, client_for(ScriptedModule()), listeners, most=10, image_digest=None)
    await (await runs.start(demo("alpha"))).wait()
    for listener in listeners:
        names = [event.what.name for event in listener.events]
        assert names == ["run.started", "step.started", "module.ready", "step.completed", "run.ended"]
        assert [event.seq for event in listener.events] == [1, 2, 3, 4, 5]
        assert listener.logged == [[*range(1, number + 1)] for number in range(1, 6)]


async def test_consumer_that_breaks_ends_the_run_as_errored(
    catalogue: Catalogue, store: FolderStore, client_for: ClientFor
) -> None:
    runs = ActiveRuns(
        catalogue,
        store,
        client_for(ScriptedModule()),
        (Listener(store, refuses="module.ready"),),
        most=10,
        image_digest=None,
    )
    run = await runs.start(demo("alpha"))
    await run.wait()
    record = store.record(run.record.run_id)
    assert (record.status, "the listener broke" in str(record.error)) == ("errored", True)


async def test_run_is_found_by_its_id_while_it_is_under_way(runs: ActiveRuns, scenario: Scenario) -> None:
    run = await runs.start(scenario)
    run_id = run.record.run_id
    assert runs.find(run_id) is run
    assert runs.find("run_2026-01-09T12-34-56Z_ab12cd") is None
    await runs.stop()
    assert runs.find(run_id) is None


async def test_lines_of_a_run_that_is_stopped_are_numbered_to_the_end(
    runs: ActiveRuns, store: FolderStore, scenario: Scenario
) -> None:
    run = await runs.start(scenario)
    await runs.stop()
    lines = [json.loads(line) for line in store.document(run.record.run_id, "logs.jsonl").splitlines()]
    assert [line["seq"] for line in lines] == [*range(1, len(lines) + 1)]
    assert lines[-1]["status"] == "interrupted"
