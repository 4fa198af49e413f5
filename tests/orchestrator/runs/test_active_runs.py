import asyncio
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx2
import pytest
from reliability.folder_agreement import disagreements
from run_records import RUN_ID
from scripted_module import Answer, ClientFor, Gate, ScriptedModule, artifact, demo, error_envelope, success
from troubled_disk import FullDisk, HeldDisk

from ops_contract import sha256_hex
from ops_orchestrator.errors import BusyError, ChangedModuleError, ConflictError, ReusedKeyError, StoreError
from ops_orchestrator.modules.catalogue import Catalogue
from ops_orchestrator.modules.client import ModuleClient
from ops_orchestrator.modules.module import Module
from ops_orchestrator.modules.registration import Registration
from ops_orchestrator.planning.scenario import RunOptions, Scenario
from ops_orchestrator.runs.active_run import ActiveRun
from ops_orchestrator.runs.active_runs import ActiveRuns
from ops_orchestrator.runs.events import Event, Origin
from ops_orchestrator.runs.feed import Consumer, Line
from ops_orchestrator.runs.record import RunRecord
from ops_orchestrator.runs.run_filter import RunFilter
from ops_orchestrator.runs.store.claimed_keys import FOLDER_NAME
from ops_orchestrator.runs.store.folder import FolderStore
from ops_orchestrator.runs.store.folder_writer import FolderWriter
from ops_orchestrator.runs.store.sqlite_index import SqliteIndex
from ops_orchestrator.runs.store.sync import NoSync, Sync
from ops_orchestrator.runs.turns import LocalTurns
from ops_orchestrator.settings import Durability


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FolderStore]:
    with closing(FolderStore.open(tmp_path / "runs")) as store:
        yield store


@pytest.fixture
def runs(catalogue: Catalogue, store: FolderStore, client_for: ClientFor) -> ActiveRuns:
    """Runs whose only module never answers."""
    return active_runs(catalogue, store, client_for(ScriptedModule(answers=[Gate()])))


def active_runs(
    catalogue: Catalogue, store: FolderStore, client: ModuleClient, at_once: int = 10, most: int = 10
) -> ActiveRuns:
    return ActiveRuns(Registration(catalogue), store, client, turns=LocalTurns(at_once, most), image_digest=None)


def open_store(folder: Path, *consumers: Consumer, sync: Sync | None = None) -> FolderStore:
    folder.mkdir(exist_ok=True)
    return FolderStore(folder, SqliteIndex.open(folder), sync or NoSync(), consumers)


def log_of(store: FolderStore, run_id: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in store.document(run_id, "logs.jsonl").splitlines()]


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


async def test_run_that_is_started_with_a_new_key_is_found_by_it(runs: ActiveRuns, scenario: Scenario) -> None:
    run = await runs.start(scenario, new_key="key")
    assert await runs.start_once(scenario, "key") is run
    await runs.stop()


async def test_service_that_stops_does_not_wait_for_a_key_whose_run_another_one_is_making(
    runs: ActiveRuns, store: FolderStore, scenario: Scenario
) -> None:
    with closing(open_store(store.folder)) as other:
        assert other.claim(sha256_hex(b"key"), RUN_ID) == RUN_ID
        starting = asyncio.create_task(runs.start_once(scenario, "key"))
        # Two turns of the loop: the caller has asked, and the run's task is waiting for the key.
        for _ in range(2):
            await asyncio.sleep(0)
        await runs.stop()
        with pytest.raises(BusyError, match="stopping"):
            await starting


async def test_service_that_stops_waits_for_no_run_of_another(
    runs: ActiveRuns, store: FolderStore, catalogue: Catalogue, client_for: ClientFor, scenario: Scenario
) -> None:
    run = await runs.start(scenario)
    with closing(open_store(store.folder)) as same:
        other = active_runs(catalogue, same, client_for(ScriptedModule()))
        waiting = asyncio.create_task(other.wait_elsewhere(run.record, None))
        await asyncio.sleep(0)
        await other.stop()
        with pytest.raises(BusyError, match="stopping"):
            await waiting
    await runs.stop()


async def test_caller_with_the_key_of_a_maker_who_died_has_its_run(
    runs: ActiveRuns, store: FolderStore, scenario: Scenario
) -> None:
    other = open_store(store.folder)
    assert other.claim(sha256_hex(b"key"), RUN_ID) == RUN_ID
    starting = asyncio.create_task(runs.start_once(scenario, "key"))
    await asyncio.sleep(0)
    other.close()
    run = await starting
    assert isinstance(run, ActiveRun)
    assert store.claim(sha256_hex(b"key"), RUN_ID) == run.record.run_id != RUN_ID
    await runs.stop()


async def test_caller_whose_key_is_not_free_for_long_is_told_to_come_again(
    catalogue: Catalogue, store: FolderStore, client_for: ClientFor, scenario: Scenario
) -> None:
    runs = ActiveRuns(
        Registration(catalogue),
        store,
        client_for(ScriptedModule()),
        turns=LocalTurns(1, 1),
        image_digest=None,
        key_patience_s=0.1,
    )
    with closing(open_store(store.folder)) as other:
        assert other.claim(sha256_hex(b"key"), RUN_ID) == RUN_ID
        with pytest.raises(BusyError, match="repeat the request soon"):
            await runs.start_once(scenario, "key")


class Unwritable(FolderStore):
    """A store in which no run can be made as long as `has_room` is False."""

    has_room = False

    async def create(self, events: Sequence[Event], record: RunRecord, modules: bytes) -> FolderWriter:
        """See RunStore."""
        if not self.has_room:
            raise StoreError("no room")
        return await super().create(events, record, modules)


async def test_key_whose_run_cannot_be_made_is_free_again(
    tmp_path: Path, catalogue: Catalogue, client_for: ClientFor, scenario: Scenario
) -> None:
    with closing(Unwritable(tmp_path, SqliteIndex.open(tmp_path), NoSync())) as store:
        runs = active_runs(catalogue, store, client_for(ScriptedModule()))
        with pytest.raises(StoreError, match="no room"):
            await runs.start_once(scenario, "key")
        assert [path.name for path in (tmp_path / FOLDER_NAME).iterdir()] == ["complete"]
        store.has_room = True
        run = await runs.start_once(scenario, "key")
        assert isinstance(run, ActiveRun)
        await run.wait()
        assert run.record.status == "completed"


async def test_caller_who_waits_for_a_key_takes_no_turn(
    catalogue: Catalogue, store: FolderStore, client_for: ClientFor, scenario: Scenario
) -> None:
    runs = active_runs(catalogue, store, client_for(ScriptedModule()), at_once=1, most=0)
    with closing(open_store(store.folder)) as other:
        assert other.claim(sha256_hex(b"key"), RUN_ID) == RUN_ID
        starting = asyncio.create_task(runs.start_once(scenario, "key"))
        await asyncio.sleep(0)
        unrelated = await runs.start(scenario)
        await unrelated.wait()
        assert (unrelated.record.status, starting.done()) == ("completed", False)
    run = await starting
    assert isinstance(run, ActiveRun)
    await run.wait()


async def test_caller_who_hangs_up_while_a_key_is_not_free_starts_no_run_later(
    runs: ActiveRuns, store: FolderStore, scenario: Scenario
) -> None:
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    with closing(open_store(store.folder)) as other:
        assert other.claim(sha256_hex(b"key"), RUN_ID) == RUN_ID
        starting = [asyncio.create_task(runs.start_once(scenario, "key")) for _ in range(10)]
        await asyncio.sleep(0)
        for each in starting:
            each.cancel()
        await asyncio.wait(starting)
        patient = asyncio.create_task(runs.start_once(demo("beta"), "key"))
        # The one thread has looked for all of them when it comes to this.
        await asyncio.to_thread(lambda: None)
    assert isinstance(await patient, ActiveRun)
    assert len(store.page(10).runs) == 1
    await runs.stop()


def id_of(run: ActiveRun | RunRecord) -> str:
    return run.run_id if isinstance(run, RunRecord) else run.record.run_id


async def test_key_is_looked_at_while_no_more_runs_can_wait(
    catalogue: Catalogue, store: FolderStore, client_for: ClientFor, scenario: Scenario
) -> None:
    alpha = ScriptedModule(answers=[success(), Gate()])
    runs = active_runs(catalogue, store, client_for(alpha), at_once=1, most=1)
    completed = await runs.start_once(scenario, "completed")
    assert isinstance(completed, ActiveRun)
    await completed.wait()
    first = {key: id_of(await runs.start_once(scenario, key)) for key in ("completed", "running", "queued")}
    assert len(set(first.values())) == 3
    assert {key: id_of(await runs.start_once(scenario, key)) for key in first} == first
    with pytest.raises(ReusedKeyError, match=first["completed"]):
        await runs.start_once(demo("beta"), "completed")
    await runs.stop()


async def test_key_of_a_run_for_which_there_is_no_place_is_free_again(
    catalogue: Catalogue, store: FolderStore, client_for: ClientFor, scenario: Scenario
) -> None:
    gate = Gate()
    runs = active_runs(catalogue, store, client_for(ScriptedModule(answers=[gate])), at_once=1, most=0)
    running = await runs.start(scenario)
    with pytest.raises(BusyError, match="1 runs are under way and 0 wait for their turn"):
        await runs.start_once(scenario, "key")
    assert [path.name for path in (store.folder / FOLDER_NAME).iterdir()] == ["complete"]
    gate.opened.set()
    await running.wait()
    assert isinstance(await runs.start_once(demo("beta"), "key"), ActiveRun)
    await runs.stop()


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


async def test_run_that_cannot_be_made_keeps_no_turn(
    catalogue: Catalogue, store: FolderStore, client_for: ClientFor, scenario: Scenario
) -> None:
    runs = active_runs(catalogue, store, client_for(ScriptedModule()), at_once=1, most=0)
    shutil.rmtree(store.folder)
    for _ in range(2):
        with pytest.raises(StoreError, match="cannot write a run in"):
            await runs.start(scenario)


class Listener:
    """A consumer that keeps what it takes, and what is in the log at that moment; it may break."""

    def __init__(self, folder: Path, *, breaks: bool = False) -> None:
        self.lines: list[Line] = []
        self.early: list[Line] = []
        self._folder = folder
        self._breaks = breaks

    def take(self, lines: Sequence[Line]) -> None:
        """See Consumer."""
        for line in lines:
            self.lines.append(line)
            if line.data not in (self._folder / line.run_id / "logs.jsonl").read_bytes():
                self.early.append(line)
        if self._breaks:
            raise RuntimeError("the listener broke")


EVENTS = ["run.queued", "run.started", "step.started", "module.ready", "step.completed", "run.ended"]


async def test_consumers_get_each_line_in_order_once_it_is_in_the_log(
    tmp_path: Path, catalogue: Catalogue, client_for: ClientFor
) -> None:
    listeners = (Listener(tmp_path / "runs"), Listener(tmp_path / "runs", breaks=True), Listener(tmp_path / "runs"))
    with closing(open_store(tmp_path / "runs", *listeners)) as store:
        run = await active_runs(catalogue, store, client_for(ScriptedModule())).start(demo("alpha"))
        await run.wait()
        # One that breaks keeps neither the run nor the others from going on.
        assert run.record.status == "completed"
        for listener in listeners:
            assert [json.loads(line.data)["event"] for line in listener.lines] == EVENTS
            assert [line.seq for line in listener.lines] == [1, 2, 3, 4, 5, 6]
            assert [line.is_last for line in listener.lines] == [False] * 5 + [True]
            assert listener.early == []


async def test_run_is_found_by_its_id_while_it_is_under_way(runs: ActiveRuns, scenario: Scenario) -> None:
    run = await runs.start(scenario)
    run_id = run.record.run_id
    assert runs.find(run_id) is run
    assert runs.find("run_2026-01-09T12-34-56Z_ab12cd") is None
    await runs.stop()
    assert runs.find(run_id) is None


async def test_run_is_started_with_modules_that_are_not_registered_and_says_what_for(
    store: FolderStore, catalogue: Catalogue, scenario: Scenario, client_for: ClientFor
) -> None:
    runs = active_runs(Catalogue({}), store, client_for(ScriptedModule()))
    run = await runs.start(scenario, catalogue=catalogue, origin=Origin(reproduces=RUN_ID))
    await run.wait()
    stored = store.run(run.record.run_id)
    assert (stored.record().status, stored.record().reproduces) == ("completed", RUN_ID)
    assert list(json.loads(stored.document("modules.json"))["modules"]) == ["alpha"]
    assert [listed.run_id for listed in store.page(9, where=RunFilter(reproduces=RUN_ID)).runs] == [stored.run_id]
    assert stored.files() == sorted(str(path.relative_to(stored.location)) for path in stored.location.rglob("*.*"))


async def test_lines_of_a_run_that_is_stopped_are_numbered_to_the_end(
    runs: ActiveRuns, store: FolderStore, scenario: Scenario
) -> None:
    run = await runs.start(scenario)
    await runs.stop()
    lines = log_of(store, run.record.run_id)
    assert [line["seq"] for line in lines] == [*range(1, len(lines) + 1)]
    assert lines[-1]["status"] == "interrupted"


async def stop_twice(runs: ActiveRuns, held: HeldDisk) -> None:
    """Stop `runs` twice while `held` holds a thread, and only then let it go on."""
    await asyncio.to_thread(held.reached.wait)
    stops = []
    for _ in range(2):
        stops.append(asyncio.create_task(runs.stop()))
        for _ in range(5):
            await asyncio.sleep(0)
    held.released.set()
    await asyncio.wait(stops)


async def test_run_that_is_stopped_while_its_end_is_flushed_ends_as_it_did(
    tmp_path: Path, catalogue: Catalogue, client_for: ClientFor
) -> None:
    held, listener = HeldDisk(), Listener(tmp_path / "runs")
    with closing(open_store(tmp_path / "runs", listener, sync=held)) as store:
        runs = active_runs(catalogue, store, client_for(ScriptedModule()))
        run = await runs.start(demo("alpha"))
        await asyncio.to_thread(held.reached.wait)
        # Nobody hears of an end that a power cut could still take back.
        assert (run.record.status, [line for line in listener.lines if line.is_last]) == ("running", [])
        await stop_twice(runs, held)
        assert store.record(run.record.run_id).status == run.record.status == "completed"
        assert [line.seq for line in listener.lines] == [1, 2, 3, 4, 5, 6]


async def test_run_that_is_stopped_twice_while_it_is_made_is_interrupted(
    tmp_path: Path, catalogue: Catalogue, client_for: ClientFor
) -> None:
    held = HeldDisk()
    with closing(open_store(tmp_path / "runs", held)) as store:
        runs = active_runs(catalogue, store, client_for(ScriptedModule()))
        starting = asyncio.create_task(runs.start(demo("alpha")))
        await stop_twice(runs, held)
        run = await starting
        assert [line["event"] for line in log_of(store, run.record.run_id)] == ["run.queued", "run.started", "run.ended"]


async def test_run_whose_end_the_disk_refuses_is_errored_and_stored_without_a_restart_when_there_is_room(
    tmp_path: Path, catalogue: Catalogue, client_for: ClientFor
) -> None:
    full = FullDisk()
    with closing(open_store(tmp_path / "runs", sync=full)) as store:
        runs = active_runs(catalogue, store, client_for(ScriptedModule()))
        run = await runs.start(demo("alpha"))
        await run.wait()
        run_id = run.record.run_id
        assert (run.record.status, "No space left" in str(run.record.error)) == ("errored", True)
        full.is_full = False
        while runs.find(run_id) is not None:  # noqa: ASYNC110  # another thread makes it true
            await asyncio.sleep(0.01)
        record = store.record(run_id)
        assert (record.status, [step.status for step in record.steps]) == ("errored", ["completed"])
        assert json.loads(store.document(run_id, "run.json"))["status"] == "errored"
        assert [line["event"] for line in log_of(store, run_id)] == EVENTS


async def test_runs_over_the_limit_wait_for_their_turn_in_order_and_more_are_refused(
    catalogue: Catalogue, store: FolderStore, client_for: ClientFor
) -> None:
    gate = Gate()
    runs = active_runs(catalogue, store, client_for(ScriptedModule(answers=[gate, success()])), at_once=1, most=2)
    first, second, third = [await runs.start(demo("alpha")) for _ in range(3)]
    assert [run.record.status for run in (first, second, third)] == ["running", "queued", "queued"]
    assert store.record(second.record.run_id).status == "queued"
    with pytest.raises(BusyError, match="1 runs are under way and 2 wait for their turn"):
        await runs.start(demo("alpha"))
    gate.opened.set()
    for run in (first, second, third):
        await run.wait()
    started = [str(log_of(store, run.record.run_id)[1]["timestamp"]) for run in (first, second, third)]
    assert started == sorted(started)
    assert [run.record.status for run in (first, second, third)] == ["completed"] * 3
    await (await runs.start(demo("alpha"))).wait()


WAITING: dict[str, Callable[[Gate], ScriptedModule]] = {
    "readiness": lambda gate: ScriptedModule(health=[gate]),
    "the answer": lambda gate: ScriptedModule(answers=[gate]),
    "a download": lambda gate: ScriptedModule(answers=[success(artifacts=[artifact("a", href="a")])], files={"/a": gate}),
}


@pytest.mark.parametrize("waiting", WAITING.values(), ids=WAITING)
async def test_cancelled_run_ends_as_cancelled_and_its_log_says_who_asked(
    catalogue: Catalogue, store: FolderStore, client_for: ClientFor, waiting: Callable[[Gate], ScriptedModule]
) -> None:
    gate = Gate()
    runs = active_runs(catalogue, store, client_for(waiting(gate)))
    run = await runs.start(demo("alpha"))
    await gate.asked.wait()
    run.cancel("somebody")
    run.cancel("somebody else")
    await run.wait()
    record = store.record(run.record.run_id)
    assert (record.status, record.steps[0].status, record.steps[0].attempts) == ("cancelled", "interrupted", 0)
    assert [(line["event"], line.get("by")) for line in log_of(store, record.run_id)[-2:]] == [
        ("run.cancelling", "somebody"),
        ("run.ended", None),
    ]


async def test_run_that_is_cancelled_before_an_attempt_is_repeated_is_cancelled_at_once(
    module: Module, store: FolderStore, client_for: ClientFor
) -> None:
    alpha = ScriptedModule(answers=[httpx2.Response(503, json=error_envelope(retryable=True))])
    patient = module.model_copy(update={"backoff_s": 3600.0})
    run = await active_runs(Catalogue({"alpha": patient}), store, client_for(alpha)).start(demo("alpha"))
    while run.record.steps[0].attempts < 1:  # noqa: ASYNC110
        await asyncio.sleep(0)
    run.cancel("somebody")
    await run.wait()
    assert (store.record(run.record.run_id).status, len(alpha.executed)) == ("cancelled", 1)


async def test_queued_run_that_is_cancelled_calls_no_module_and_leaves_its_place(
    catalogue: Catalogue, store: FolderStore, client_for: ClientFor
) -> None:
    gate, alpha = Gate(), ScriptedModule()
    alpha.answers = [gate, success()]
    runs = active_runs(catalogue, store, client_for(alpha), at_once=1, most=1)
    first, second = await runs.start(demo("alpha")), await runs.start(demo("alpha"))
    second.cancel("somebody")
    await second.wait()
    assert (second.record.status, len(alpha.executed)) == ("cancelled", 1)
    third = await runs.start(demo("alpha"))
    gate.opened.set()
    await first.wait()
    await third.wait()
    assert third.record.status == "completed"


async def test_run_that_is_not_over_within_its_deadline_fails_and_says_which_bound_ended_it(
    catalogue: Catalogue, store: FolderStore, client_for: ClientFor
) -> None:
    runs = active_runs(catalogue, store, client_for(ScriptedModule(answers=[Gate()])))
    hasty = demo("alpha").model_copy(update={"run_options": RunOptions(deadline_s=0.2)})
    run = await runs.start(hasty)
    await run.wait()
    error = store.record(run.record.run_id).error or {}
    assert (run.record.status, error["code"]) == ("failed", "RUN_DEADLINE")
    assert "was not over within its deadline_s of 0.2 s; step alpha was under way" in error["message"]
    assert error["message"].endswith("run it again with `ops run FILE --deadline SECONDS`")


async def test_time_in_the_queue_counts_for_the_deadline(
    catalogue: Catalogue, store: FolderStore, client_for: ClientFor
) -> None:
    runs = active_runs(catalogue, store, client_for(ScriptedModule(answers=[Gate()])), at_once=1)
    first = await runs.start(demo("alpha"))
    queued = await runs.start(demo("alpha").model_copy(update={"run_options": RunOptions(deadline_s=0.2)}))
    await queued.wait()
    error = store.record(queued.record.run_id).error or {}
    assert (first.record.status, queued.record.status, error["code"]) == ("running", "failed", "RUN_DEADLINE")
    assert "was not over within its deadline_s of 0.2 s; it waited for its turn" in error["message"]
    await runs.stop()


async def test_deadline_goes_on_counting_while_nobody_executes_the_run_and_begins_again_when_it_is_resumed(
    catalogue: Catalogue, store: FolderStore, client_for: ClientFor
) -> None:
    alpha = ScriptedModule()
    runs = active_runs(catalogue, store, client_for(alpha))
    left = await runs.start(demo("alpha").model_copy(update={"run_options": RunOptions(deadline_s=1.0)}))
    left.leave()
    await left.wait()
    while (left.left_s or 0.0) > 0:  # noqa: ASYNC110  # only the clock makes it false
        await asyncio.sleep(0.01)
    called = len(alpha.executed)
    late = await runs.claim(left.record.run_id)
    await late.wait()
    assert (late.record.status, (late.record.error or {})["code"], len(alpha.executed)) == ("failed", "RUN_DEADLINE", called)
    resumed = await runs.resume(left.record.run_id)
    await resumed.wait()
    assert resumed.record.status == "completed"


async def test_resumed_run_goes_on_in_its_folder_and_calls_only_what_is_not_completed(
    catalogue: Catalogue, store: FolderStore, client_for: ClientFor
) -> None:
    alpha, beta = ScriptedModule(), ScriptedModule("beta")
    beta.answers = [httpx2.Response(422, json=error_envelope("beta")), success("beta")]
    runs = active_runs(catalogue, store, client_for(alpha, beta))
    run = await runs.start(demo("alpha", "beta"))
    await run.wait()
    run_id = run.record.run_id
    assert run.record.status == "failed"
    again = await runs.resume(run_id)
    await again.wait()
    record = store.record(run_id)
    assert (record.status, record.attempt, [step.attempts for step in record.steps]) == ("completed", 2, [1, 2])
    assert (len(alpha.executed), len(beta.executed)) == (1, 2)
    assert beta.executed[0].content == beta.executed[1].content
    assert [*store.results(run_id).results] == ["alpha", "beta"]
    left = {path.relative_to(store.location(run_id)).as_posix() for path in store.location(run_id).rglob("*2-beta*/**/*.json")}
    assert left == {
        *(f"steps/2-beta/{name}.json" for name in ("request", "response", "result")),
        *(f"steps/2-beta/attempts/1/{name}.json" for name in ("request", "response")),
    }
    assert disagreements(store.location(run_id)) == []
    lines = log_of(store, run_id)
    assert [line["seq"] for line in lines] == [*range(1, len(lines) + 1)]
    assert [line["event"] for line in lines].count("run.ended") == 2


async def test_step_that_timed_out_is_sent_again_as_it_was_and_is_waited_for_as_long_as_is_registered_now(
    catalogue: Catalogue, store: FolderStore, client_for: ClientFor
) -> None:
    alpha = ScriptedModule(answers=[Gate(), success()])
    hasty = catalogue.modules["alpha"].model_copy(update={"timeout_s": 0.1, "retries": 0})
    run = await active_runs(Catalogue({"alpha": hasty}), store, client_for(alpha)).start(demo("alpha"))
    await run.wait()
    assert (run.record.error or {})["code"] == "MODULE_TIMEOUT"
    again = await active_runs(catalogue, store, client_for(alpha)).resume(run.record.run_id)
    await again.wait()
    assert again.record.status == "completed"
    assert alpha.executed[0].content == alpha.executed[1].content


NO_ANSWER = httpx2.ConnectError("no route to beta")
REFUSAL = httpx2.Response(422, json=error_envelope("beta"))


@pytest.mark.parametrize("later", [[NO_ANSWER], [REFUSAL, NO_ANSWER], [NO_ANSWER, REFUSAL]])
async def test_folder_of_a_run_that_fails_again_agrees_with_itself(
    catalogue: Catalogue, store: FolderStore, client_for: ClientFor, later: list[Answer]
) -> None:
    beta = ScriptedModule("beta", answers=[REFUSAL, *later])
    runs = active_runs(catalogue, store, client_for(ScriptedModule(), beta))
    run = await runs.start(demo("alpha", "beta"))
    await run.wait()
    for _ in later:
        run = await runs.resume(run.record.run_id)
        await run.wait()
    assert (run.record.status, run.record.attempt) == ("failed", 1 + len(later))
    assert disagreements(store.location(run.record.run_id)) == []


async def test_run_cannot_be_resumed_while_it_runs_nor_once_it_is_completed(
    catalogue: Catalogue, store: FolderStore, client_for: ClientFor
) -> None:
    gate = Gate()
    answers: list[Answer] = [gate]
    runs = active_runs(catalogue, store, client_for(ScriptedModule(answers=answers)))
    run = await runs.start(demo("alpha"))
    with pytest.raises(ConflictError, match="is running: only a run that is over can be resumed"):
        await runs.resume(run.record.run_id)
    gate.opened.set()
    await run.wait()
    with pytest.raises(ConflictError, match="is completed: there is nothing to resume"):
        await runs.resume(run.record.run_id)


async def test_run_whose_resumption_is_refused_is_refused_again_for_the_same_reason(
    catalogue: Catalogue, store: FolderStore, client_for: ClientFor
) -> None:
    alpha = ScriptedModule(answers=[httpx2.Response(422, json=error_envelope())])
    run = await active_runs(catalogue, store, client_for(alpha)).start(demo("alpha"))
    await run.wait()
    without = active_runs(Catalogue({}), store, client_for(alpha))
    for _ in range(2):
        with pytest.raises(ChangedModuleError, match="alpha is not registered"):
            await without.resume(run.record.run_id)


async def test_errored_run_is_resumed_like_another(tmp_path: Path, catalogue: Catalogue, client_for: ClientFor) -> None:
    full, alpha, beta = FullDisk(), ScriptedModule(), ScriptedModule("beta")
    with closing(open_store(tmp_path / "runs", sync=full)) as store:
        runs = active_runs(catalogue, store, client_for(alpha, beta))
        run = await runs.start(demo("alpha", "beta"))
        await run.wait()
        full.is_full = False
        while runs.find(run.record.run_id) is not None:  # noqa: ASYNC110  # another thread makes it true
            await asyncio.sleep(0.01)
        assert store.record(run.record.run_id).status == "errored"
        again = await runs.resume(run.record.run_id)
        await again.wait()
        assert (store.record(run.record.run_id).status, again.record.error) == ("completed", None)
        assert [*store.results(run.record.run_id).results] == ["alpha", "beta"]
        assert (len(alpha.executed), len(beta.executed)) == (1, 1)


async def test_resume_is_refused_for_what_the_run_is_before_it_is_refused_for_want_of_a_place(
    catalogue: Catalogue, store: FolderStore, client_for: ClientFor
) -> None:
    gate, alpha = Gate(), ScriptedModule()
    alpha.answers = [success(), httpx2.Response(422, json=error_envelope()), gate, success()]
    runs = active_runs(catalogue, store, client_for(alpha), at_once=1, most=0)
    completed, failed = [await executed(runs, demo("alpha")) for _ in range(2)]
    running = await runs.start(demo("alpha"))
    with pytest.raises(ConflictError, match="is completed: there is nothing to resume"):
        await runs.resume(completed)
    log = log_of(store, failed)
    with pytest.raises(BusyError, match="1 runs are under way and 0 wait for their turn"):
        await runs.resume(failed)
    assert log_of(store, failed) == log
    gate.opened.set()
    await running.wait()
    again = await runs.resume(failed)
    await again.wait()
    assert (again.record.status, again.record.attempt) == ("completed", 2)


async def executed(runs: ActiveRuns, scenario: Scenario) -> str:
    """The id of a run of `scenario` that is over."""
    run = await runs.start(scenario)
    await run.wait()
    return run.record.run_id


async def test_interrupted_run_is_resumed_by_the_next_service(
    tmp_path: Path, catalogue: Catalogue, client_for: ClientFor
) -> None:
    with closing(open_store(tmp_path / "runs")) as store:
        runs = active_runs(catalogue, store, client_for(ScriptedModule(), ScriptedModule("beta", answers=[Gate()])))
        run = await runs.start(demo("alpha", "beta"))
        while run.record.steps[1].module_version is None:  # noqa: ASYNC110
            await asyncio.sleep(0)
        await runs.stop()
    alpha, beta = ScriptedModule(), ScriptedModule("beta")
    with closing(open_store(tmp_path / "runs")) as store:
        runs = active_runs(catalogue, store, client_for(alpha, beta))
        again = await runs.resume(run.record.run_id)
        await again.wait()
        assert again.record.status == store.record(run.record.run_id).status == "completed"
        assert (alpha.executed, len(beta.executed)) == ([], 1)


@pytest.mark.parametrize(("settings", "expected"), [(["sync", "os"], "os"), (["os", "sync"], "os"), (["sync", "sync"], "sync")])
async def test_record_says_how_durable_the_least_durable_attempt_was(
    tmp_path: Path, catalogue: Catalogue, client_for: ClientFor, settings: list[Durability], expected: str
) -> None:
    client, run_id = client_for(ScriptedModule(answers=[httpx2.Response(422, json=error_envelope())])), ""
    for durability in settings:
        with closing(FolderStore.open(tmp_path, durability=durability)) as store:
            runs = active_runs(catalogue, store, client)
            run = await (runs.resume(run_id) if run_id else runs.start(demo("alpha")))
            await run.wait()
            run_id = run.record.run_id
            assert store.record(run_id) == run.record
    assert run.record.durability == expected


async def test_run_that_keeps_no_artifacts_is_resumed_like_another(
    catalogue: Catalogue, store: FolderStore, client_for: ClientFor
) -> None:
    alpha, beta = ScriptedModule(answers=[success(artifacts=[artifact("a.txt")])]), ScriptedModule("beta")
    beta.answers = [httpx2.Response(422, json=error_envelope("beta")), success("beta")]
    runs = active_runs(catalogue, store, client_for(alpha, beta))
    scenario = demo("alpha", "beta").model_copy(update={"run_options": RunOptions(save_artifacts=False)})
    run = await runs.start(scenario)
    await run.wait()
    again = await runs.resume(run.record.run_id)
    await again.wait()
    kept = store.results(run.record.run_id).steps["alpha"].artifacts
    assert (again.record.status, [(each.name, each.path) for each in kept]) == ("completed", [("a.txt", None)])
