"""What a service does with runs that a dead one left: whatever is in the way, none is forgotten."""

import asyncio
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from reliability.folder_agreement import disagreements
from run_records import GOOD, RUN_ID, begin
from scripted_module import ClientFor, Gate, ScriptedModule, demo, success
from troubled_disk import FullDisk

from ops_orchestrator.modules.catalogue import Catalogue
from ops_orchestrator.modules.registration import Registration
from ops_orchestrator.runs.active_runs import ActiveRuns
from ops_orchestrator.runs.events import RunCancelling, RunEnded
from ops_orchestrator.runs.signing import SigningKey
from ops_orchestrator.runs.store.folder import FolderStore
from ops_orchestrator.runs.store.sqlite_index import SqliteIndex
from ops_orchestrator.runs.turns import LocalTurns
from ops_orchestrator.service.takeover import Takeover

RunsIn = Callable[..., ActiveRuns]


@pytest.fixture
def disk() -> FullDisk:
    return FullDisk(is_full=False)


@pytest.fixture
def open_store(tmp_path: Path, disk: FullDisk) -> Iterator[Callable[[], FolderStore]]:
    """Opens the store in `tmp_path`, as often as a service is started."""
    with ExitStack() as opened:
        yield lambda: opened.enter_context(closing(FolderStore(tmp_path, SqliteIndex.open(tmp_path), disk)))


@pytest.fixture
def runs_in(catalogue: Catalogue, client_for: ClientFor) -> RunsIn:
    def build(store: FolderStore, *modules: ScriptedModule, at_once: int = 10, most: int = 10) -> ActiveRuns:
        client = client_for(*(modules or (ScriptedModule(), ScriptedModule("beta"))))
        return ActiveRuns(
            Registration(catalogue), store, client, turns=LocalTurns(at_once, most), image_digest=None, leaves_runs=True
        )

    return build


async def leave(store: FolderStore, runs_in: RunsIn, *modules: str, count: int = 1) -> list[str]:
    """The ids of runs that a service left in the middle of their last step."""
    others = [ScriptedModule(name) for name in modules[:-1]]
    gate = Gate()
    runs = runs_in(store, *others, ScriptedModule(modules[-1], answers=[gate]), at_once=1)
    started = [await runs.start(demo(*modules)) for _ in range(count)]
    await gate.asked.wait()
    await runs.stop()
    store.close()
    return [run.record.run_id for run in started]


def events(store: FolderStore, run_id: str) -> list[str]:
    return [json.loads(line)["event"] for line in store.document(run_id, "logs.jsonl").splitlines()]


async def wait_until_over(runs: ActiveRuns, run_ids: Iterable[str]) -> None:
    while any(runs.find(run_id) for run_id in run_ids):  # noqa: ASYNC110  # another thread makes it true
        await asyncio.sleep(0.01)


async def test_run_goes_on_from_where_it_was_left_without_an_end_in_between(
    open_store: Callable[[], FolderStore], runs_in: RunsIn
) -> None:
    (run_id,) = await leave(open_store(), runs_in, "alpha", "beta")
    store, alpha, beta = open_store(), ScriptedModule(), ScriptedModule("beta")
    runs = runs_in(store, alpha, beta)
    assert await Takeover(store, runs).begin() == set()
    await wait_until_over(runs, [run_id])
    assert (store.record(run_id).status, store.record(run_id).attempt) == ("completed", 2)
    assert (len(alpha.executed), len(beta.executed)) == (0, 1)
    assert (events(store, run_id).count("run.ended"), events(store, run_id).count("run.resumed")) == (1, 1)
    assert disagreements(store.location(run_id)) == []


async def test_service_that_dies_after_it_took_a_run_over_leaves_it_again(
    open_store: Callable[[], FolderStore], runs_in: RunsIn
) -> None:
    (run_id,) = await leave(open_store(), runs_in, "alpha")
    for _ in range(2):
        store = open_store()
        runs = runs_in(store, ScriptedModule(answers=[Gate()]))
        assert await Takeover(store, runs).begin() == set()
        assert store.record(run_id).status == "running"
        await runs.stop()
        store.close()
    store = open_store()
    runs = runs_in(store)
    await Takeover(store, runs).begin()
    await wait_until_over(runs, [run_id])
    assert (store.record(run_id).status, store.record(run_id).attempt) == ("completed", 4)


async def test_more_runs_than_there_is_room_for_go_on_one_after_the_other(
    open_store: Callable[[], FolderStore], runs_in: RunsIn
) -> None:
    run_ids = await leave(open_store(), runs_in, "alpha", count=3)
    store, gate = open_store(), Gate()
    runs = runs_in(store, ScriptedModule(answers=[gate, success()]), at_once=1, most=0)
    takeover = Takeover(store, runs)
    again = await takeover.begin()
    assert len(again) == 2
    gate.opened.set()
    await takeover.end(again, is_complete=True)
    await wait_until_over(runs, run_ids)
    assert [store.record(run_id).status for run_id in run_ids] == ["completed"] * 3


@pytest.mark.parametrize(("goes_on", "status"), [(False, "interrupted"), (True, "completed")])
async def test_run_that_a_full_disk_keeps_from_being_taken_over_is_taken_over_once_there_is_room(
    open_store: Callable[[], FolderStore], runs_in: RunsIn, disk: FullDisk, goes_on: bool, status: str
) -> None:
    (run_id,) = await leave(open_store(), runs_in, "alpha")
    store = open_store()
    runs = runs_in(store)
    takeover = Takeover(store, runs if goes_on else None)
    disk.is_full = True
    again = await takeover.begin()
    assert again == {run_id}
    assert json.loads(store.document(run_id, "run.json"))["status"] in ("queued", "running")
    disk.is_full = False
    await takeover.end(again, is_complete=True)
    await wait_until_over(runs, [run_id])
    assert store.record(run_id).status == status
    assert disagreements(store.location(run_id)) == []


async def test_run_whose_module_is_not_registered_any_more_is_interrupted(
    open_store: Callable[[], FolderStore], runs_in: RunsIn
) -> None:
    store = open_store()
    await (await begin(store, "unknown")).die()
    assert await Takeover(store, runs_in(store)).begin() == set()
    assert store.record(RUN_ID).status == "interrupted"


async def test_signed_run_is_interrupted_by_a_service_without_the_key(
    tmp_path: Path, open_store: Callable[[], FolderStore], runs_in: RunsIn
) -> None:
    signing = FolderStore.open(tmp_path, signer=SigningKey(Ed25519PrivateKey.generate()))
    (run_id,) = await leave(signing, runs_in, "alpha")
    store = open_store()
    assert await Takeover(store, runs_in(store)).begin() == set()
    assert store.record(run_id).status == "interrupted"


async def test_run_that_was_being_cancelled_or_had_ended_does_not_go_on(
    open_store: Callable[[], FolderStore], runs_in: RunsIn
) -> None:
    store = open_store()
    cancelled = await begin(store)
    await cancelled.recorder.add(RunCancelling(by="somebody"))
    ended = await begin(store, run_id=GOOD)
    await ended.recorder.add(RunEnded(status="failed", error={"code": "X", "message": "as the log says"}))
    for run in (cancelled, ended):
        await run.die()
    runs = runs_in(store)
    assert await Takeover(store, runs).begin() == set()
    assert [store.record(run_id).status for run_id in (RUN_ID, GOOD)] == ["interrupted", "failed"]


@pytest.mark.parametrize("goes_on", [False, True])
async def test_run_of_a_living_service_and_damaged_runs_are_not_tried_again(
    open_store: Callable[[], FolderStore], runs_in: RunsIn, goes_on: bool
) -> None:
    store = open_store()
    living = await begin(store)
    damaged = await begin(store, run_id=GOOD)
    await damaged.complete()
    await damaged.die()
    (store.location(GOOD) / "modules.json").write_bytes(b"{}")
    other = open_store()
    assert await Takeover(other, runs_in(other) if goes_on else None).begin() == set()
    assert [run.status for run in other.page(10).runs] == ["damaged", "running"]
    await living.die()


@pytest.mark.parametrize(("goes_on", "status"), [(False, "interrupted"), (True, "completed")])
async def test_living_service_takes_over_what_another_one_leaves_that_dies_meanwhile(
    open_store: Callable[[], FolderStore], runs_in: RunsIn, goes_on: bool, status: str
) -> None:
    store, other = open_store(), open_store()
    gate = Gate()
    runs, others = runs_in(store), runs_in(other, ScriptedModule(answers=[gate]))
    run_id = (await others.start(demo("alpha"))).record.run_id
    await gate.asked.wait()
    living = await begin(other, run_id=GOOD)
    takeover = Takeover(store, runs if goes_on else None, look_every_s=0.01)
    watching = asyncio.create_task(takeover.keep_on(await takeover.begin(), is_complete=True))
    assert store.record(run_id).status == "running"
    await others.stop()
    while not store.record(run_id).is_over:  # noqa: ASYNC110  # another thread makes it true
        await asyncio.sleep(0.01)
    watching.cancel()
    await wait_until_over(runs, [run_id])
    assert store.record(run_id).status == status
    assert disagreements(store.location(run_id)) == []
    assert store.record(GOOD).status == "running"
    await living.die()


async def test_what_nobody_makes_or_removes_any_more_is_swept_again_and_again(open_store: Callable[[], FolderStore]) -> None:
    store = open_store()
    leftovers = [store.folder / f"{beginning}{RUN_ID}" for beginning in (".new-", ".drop-")]
    watching = asyncio.create_task(Takeover(store, None, look_every_s=0.001).keep_on(set(), is_complete=True))
    for _ in range(2):
        for folder in leftovers:
            folder.mkdir()
            (folder / "run.json").touch()
        while any(folder.exists() for folder in leftovers):  # noqa: ASYNC110  # another thread makes it true
            await asyncio.sleep(0.01)
    watching.cancel()
