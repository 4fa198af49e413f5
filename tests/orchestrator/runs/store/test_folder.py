import asyncio
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from run_records import GOOD, RUN_ID, begin, keep

from ops_orchestrator.errors import NotFoundError, RunExistsError, StoreError
from ops_orchestrator.runs.events import Event, RunEnded
from ops_orchestrator.runs.store.folder import FolderStore
from ops_orchestrator.runs.store.lease import FolderLease
from ops_orchestrator.runs.store.sqlite_index import FILE_NAME, SqliteIndex

OpenStore = Callable[[], FolderStore]


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[OpenStore]:
    """Opens the store in `tmp_path/runs`, as often as a service is started."""
    with ExitStack() as opened:
        yield lambda: opened.enter_context(closing(FolderStore.open(tmp_path / "runs")))


@pytest.fixture
def store(open_store: OpenStore) -> FolderStore:
    return open_store()


async def test_run_that_cannot_be_made_leaves_nothing_behind(store: FolderStore) -> None:
    (store.folder / f".new-{RUN_ID}").touch()  # something of another kind has the name of the unfinished folder
    with pytest.raises(RunExistsError):
        await begin(store)
    assert [path.name for path in store.folder.glob("*run_*")] == [f".new-{RUN_ID}"]


async def test_run_left_by_a_dead_service_is_interrupted_with_what_was_done(open_store: OpenStore, store: FolderStore) -> None:
    run = await begin(store, "alpha", "beta")
    await run.complete(1)
    await run.start_step(2)
    await run.die()
    folder = store.location(RUN_ID)
    (folder / ".staging").mkdir()
    for half in (".staging/x", "results.json.part", "artifacts/beta/unnamed", "steps/2-beta/request.json"):
        (folder / half).parent.mkdir(parents=True, exist_ok=True)
        (folder / half).write_text("half")
    again = open_store()
    assert again.recover() == {RUN_ID: None}
    record = again.record(RUN_ID)
    assert (record.status, [step.status for step in record.steps]) == ("interrupted", ["completed", "interrupted"])
    assert list(again.results(RUN_ID).results) == ["alpha"]
    assert json.loads((folder / "logs.jsonl").read_text().splitlines()[-1])["status"] == "interrupted"
    listed = {line[66:] for line in (folder / "manifest-sha256.txt").read_text().splitlines()}
    step = {f"steps/1-alpha/{name}.json" for name in ("request", "response", "result")}
    assert listed == {"run.json", "results.json", "logs.jsonl", "modules.json"} | step
    assert {path.name for path in folder.iterdir()} == {*listed - step, "artifacts", "steps", "manifest-sha256.txt"}
    assert not any((folder / "artifacts").iterdir())


async def test_run_whose_log_says_that_it_ended_is_recovered_as_it_ended(open_store: OpenStore, store: FolderStore) -> None:
    run = await begin(store)
    await run.die()
    log = store.location(RUN_ID) / "logs.jsonl"
    ended = RunEnded(status="failed", error={"code": "X", "message": "as the log says"})
    event = Event(run_id=RUN_ID, seq=3, what=ended)
    with log.open("ab") as file:
        file.write(event.as_line())
    again = open_store()
    assert again.recover() == {RUN_ID: None}
    record = again.record(RUN_ID)
    assert (record.status, record.finished_at, record.error) == ("failed", event.at, ended.error)
    assert log.read_text().count("run.ended") == 1


@pytest.mark.parametrize(
    "torn", [b'{"seq":3,"timestamp":"2026-01', b"\0" * 5000, b'{"seq":7}\n', b"\xff\n", b"[" * 9000 + b"\n"]
)
async def test_end_of_a_log_that_a_crash_has_torn_is_cut_and_the_end_of_the_run_says_so(
    open_store: OpenStore, store: FolderStore, torn: bytes
) -> None:
    run = await begin(store)
    await run.die()
    log = store.location(RUN_ID) / "logs.jsonl"
    with log.open("ab") as file:
        file.write(torn)
    again = open_store()
    again.recover()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(line["seq"], line["event"]) for line in lines] == [(1, "run.queued"), (2, "run.started"), (3, "run.ended")]
    assert "what came later is lost: line 3" in str((again.record(RUN_ID).error or {})["message"])


@pytest.mark.parametrize("damage", ["missing", "shorter", "other"])
async def test_step_whose_files_a_power_cut_took_did_not_happen(open_store: OpenStore, store: FolderStore, damage: str) -> None:
    run = await begin(store, "alpha", "beta")
    await run.complete(1)
    await run.complete(2)
    await run.die()
    file = store.location(RUN_ID) / "steps" / "2-beta" / "result.json"
    file.unlink() if damage == "missing" else file.write_bytes(b"" if damage == "shorter" else file.read_bytes() + b" ")
    again = open_store()
    assert again.recover() == {RUN_ID: None}
    record = again.record(RUN_ID)
    assert [step.status for step in record.steps] == ["completed", "interrupted"]
    assert "names steps/2-beta/result.json, which" in str((record.error or {})["message"])


async def test_run_goes_on_in_lists_while_its_end_is_no_more_than_a_line_of_its_log(store: FolderStore) -> None:
    run = await begin(store)
    await run.recorder.add(RunEnded(status="completed"))
    await run.recorder.durable()
    assert store.record(RUN_ID).status == "running"
    assert [listed.status for listed in store.page(10).runs] == ["running"]
    await run.writer.abandon()


async def test_run_whose_resumption_was_killed_at_once_has_nothing_left_over_and_stays_as_it_ended(
    store: FolderStore,
) -> None:
    await keep(store)
    record, files = store.record(RUN_ID), {*store.location(RUN_ID).rglob("*")}
    with closing(SqliteIndex.open(store.folder)) as index:
        index.put([record.model_copy(update={"status": "queued", "finished_at": None})])
    (store.location(RUN_ID) / "run.json.part").write_bytes(b'{"run_id": "run_2026')
    assert store.recover() == {}
    assert (store.record(RUN_ID), {*store.location(RUN_ID).rglob("*")}) == (record, files)
    assert [run.status for run in store.page(10).runs] == ["completed"]


def test_folder_that_another_service_is_just_making_is_left_alone(tmp_path: Path, store: FolderStore) -> None:
    young = tmp_path / "runs" / f".new-{RUN_ID}"
    young.mkdir()
    lease = FolderLease.create(young / "logs.jsonl")
    store.recover()
    assert young.is_dir()
    lease.release()
    store.recover()
    assert not young.exists()


async def test_runs_are_made_while_other_services_start(open_store: OpenStore, store: FolderStore) -> None:
    other, is_over = open_store(), threading.Event()

    def start_again_and_again() -> None:
        while not is_over.is_set():
            assert other.recover() == {}

    starting = asyncio.create_task(asyncio.to_thread(start_again_and_again))
    run_ids = {f"run_2026-01-09T12-34-56Z_{number:06x}" for number in range(100)}
    try:
        for run_id in sorted(run_ids):
            await keep(store, run_id)
    finally:
        is_over.set()
    await starting
    assert {run.run_id for run in store.page(200).runs} == run_ids


@pytest.mark.parametrize(("name", "read"), [("run.json", FolderStore.record), ("results.json", FolderStore.results)])
async def test_damaged_document_is_named(store: FolderStore, name: str, read: Callable[[FolderStore, str], object]) -> None:
    await keep(store)
    (store.folder / RUN_ID / name).write_text("{}")
    with pytest.raises(StoreError, match=rf"{RUN_ID}/{name} is damaged"):
        read(store, RUN_ID)


async def test_document_that_is_missing_from_a_run_is_named(store: FolderStore) -> None:
    await keep(store)
    (store.folder / RUN_ID / "logs.jsonl").unlink()
    with pytest.raises(NotFoundError, match=f"{RUN_ID} has no logs.jsonl"):
        store.document(RUN_ID, "logs.jsonl")


@pytest.mark.parametrize("files", [(), ("logs.jsonl",), ("modules.json",)])
def test_folder_that_a_crash_left_half_made_is_cleared_away(tmp_path: Path, store: FolderStore, files: tuple[str, ...]) -> None:
    half = tmp_path / "runs" / f".new-{RUN_ID}"
    half.mkdir()
    for name in files:
        (half / name).touch()
    store.recover()
    assert not half.exists()


async def test_list_is_the_same_after_the_index_was_lost(tmp_path: Path, open_store: OpenStore, store: FolderStore) -> None:
    await keep(store)
    store.close()
    (tmp_path / "runs" / FILE_NAME).unlink()
    assert [run.run_id for run in open_store().page(10).runs] == [RUN_ID]


async def test_folders_that_came_and_went_meanwhile_are_noticed_at_the_next_start(
    open_store: OpenStore, store: FolderStore
) -> None:
    await keep(store)
    store.close()
    folder = store.location(RUN_ID)
    text = (folder / "run.json").read_text().replace(RUN_ID, GOOD)
    folder.rename(folder.with_name(GOOD))
    (folder.with_name(GOOD) / "run.json").write_text(text)
    assert [run.run_id for run in open_store().page(10).runs] == [GOOD]


async def test_damaged_record_does_not_take_the_list_down(store: FolderStore) -> None:
    for run_id in (RUN_ID, GOOD):
        await keep(store, run_id)
    (store.location(GOOD) / "run.json").write_text("{")
    assert sorted(run.status for run in store.page(10).runs) == ["completed", "damaged"]


@pytest.mark.parametrize("name", ["file", "file/runs"])
def test_store_that_is_no_folder_cannot_be_opened(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"cannot open the run store .*; set OPS_RUNS_DIR"):
        FolderStore.open(tmp_path / name)


async def test_store_that_is_gone_says_that_it_cannot_be_written(tmp_path: Path, store: FolderStore) -> None:
    assert store.unwritable() is None
    shutil.rmtree(tmp_path / "runs")
    assert "cannot be written as user" in (store.unwritable() or "")
    with pytest.raises(StoreError, match="cannot write a run in"):
        await begin(store)


async def test_run_whose_maker_died_before_it_was_listed_is_found(store: FolderStore, tmp_path: Path) -> None:
    with closing(FolderStore.open(tmp_path / "elsewhere")) as elsewhere:
        await keep(elsewhere)
    shutil.copytree(tmp_path / "elsewhere" / RUN_ID, store.folder / RUN_ID)
    assert store.page(10).runs == []
    store.find_unlisted()
    assert [run.run_id for run in store.page(10).runs] == [RUN_ID]
