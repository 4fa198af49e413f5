import asyncio
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from threading import Event as Signal
from typing import cast

import pytest
from scripted_module import ClientFor, Gate, ScriptedModule, demo

from ops_orchestrator.errors import BusyError, StoreError
from ops_orchestrator.modules.catalogue import Catalogue
from ops_orchestrator.planning.scenario import Scenario
from ops_orchestrator.runs.active_runs import ActiveRuns
from ops_orchestrator.runs.events import Event
from ops_orchestrator.runs.record import Results, RunRecord
from ops_orchestrator.runs.run_filter import RunFilter
from ops_orchestrator.runs.store.folder import FolderStore
from ops_orchestrator.runs.store.protocols import RunFile, RunStore, RunWriter


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
    while not store.page(10, where=RunFilter(status="running")).runs:  # noqa: ASYNC110  # another thread makes it true
        await asyncio.sleep(0)
    await runs.stop()
    assert [run.status for run in store.page(10).runs] == ["interrupted"]


async def test_store_that_cannot_be_written_is_the_caller_s_to_know(
    runs: ActiveRuns, store: FolderStore, scenario: Scenario
) -> None:
    shutil.rmtree(store.folder)
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


class HeldStore:
    """A store that holds a writer back: creating a run and sealing one go on once `released` is set.

    `reached` is set when a writer is being held, and `closed_early` says that one was closed meanwhile.
    """

    def __init__(self, store: FolderStore, *, holds: str) -> None:
        self.reached, self.released = Signal(), Signal()
        self.closed_early = False
        self._store = store
        self._holds = holds

    def create(self, line: bytes, record: RunRecord, results: Results) -> RunWriter:
        """Make the run, if need be when released."""
        self.hold("create")
        return HeldWriter(self, self._store.create(line, record, results))

    def hold(self, what: str) -> None:
        """Wait until released, if `what` is what is held."""
        if what == self._holds:
            self.reached.set()
            self.released.wait()


class HeldWriter:
    """A writer of a HeldStore."""

    def __init__(self, store: HeldStore, writer: RunWriter) -> None:
        self._store = store
        self._writer = writer

    @property
    def staging(self) -> Path:
        """See RunWriter."""
        return self._writer.staging

    def publish(self, folder: str, files: Sequence[RunFile]) -> None:
        """See RunWriter."""
        self._writer.publish(folder, files)

    def append(self, line: bytes, record: RunRecord, results: Results | None = None) -> None:
        """See RunWriter."""
        self._writer.append(line, record, results)

    def seal(self, line: bytes, record: RunRecord) -> None:
        """Seal the run, if need be when released."""
        self._store.hold("seal")
        self._writer.seal(line, record)

    def close(self) -> None:
        """See RunWriter."""
        self._store.closed_early = not self._store.released.is_set()
        self._writer.close()


async def stop_twice(runs: ActiveRuns, held: HeldStore) -> None:
    """Stop `runs` twice while `held` holds a writer, and only then let it go on."""
    await asyncio.to_thread(held.reached.wait)
    stops = []
    for _ in range(2):
        stops.append(asyncio.create_task(runs.stop()))
        for _ in range(5):
            await asyncio.sleep(0)
    held.released.set()
    await asyncio.wait(stops)


async def test_run_that_is_stopped_while_its_last_event_is_written_ends_as_that_event_says(
    catalogue: Catalogue, store: FolderStore, client_for: ClientFor
) -> None:
    held, listener = HeldStore(store, holds="seal"), Listener(store)
    client = client_for(ScriptedModule())
    runs = ActiveRuns(catalogue, cast("RunStore", held), client, (listener,), most=10, image_digest=None)
    run = await runs.start(demo("alpha"))
    await stop_twice(runs, held)
    assert not held.closed_early
    assert store.record(run.record.run_id).status == "completed"
    assert [event.seq for event in listener.events] == [1, 2, 3, 4, 5]
    assert listener.logged[-1] == [1, 2, 3, 4, 5]


async def test_run_that_is_stopped_twice_while_it_is_made_is_interrupted(
    catalogue: Catalogue, store: FolderStore, client_for: ClientFor
) -> None:
    held, listener = HeldStore(store, holds="create"), Listener(store)
    client = client_for(ScriptedModule())
    runs = ActiveRuns(catalogue, cast("RunStore", held), client, (listener,), most=10, image_digest=None)
    starting = asyncio.create_task(runs.start(demo("alpha")))
    await stop_twice(runs, held)
    run = await starting
    assert store.record(run.record.run_id).status == "interrupted"
    assert [event.what.name for event in listener.events] == ["run.started", "run.ended"]
