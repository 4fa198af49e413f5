import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from scripted_module import envelope

from ops_contract import SuccessEnvelope, validate
from ops_orchestrator.errors import InvalidRequestError, NotFoundError, RunExistsError, StoreError
from ops_orchestrator.exchange import Exchange
from ops_orchestrator.modules.catalogue import Catalogue
from ops_orchestrator.planning.planner import plan
from ops_orchestrator.planning.scenario import Scenario
from ops_orchestrator.runs.events import Event, Occurrence, RunEnded, RunStarted, StepCompleted, StepStarted
from ops_orchestrator.runs.record import Results, RunRecord
from ops_orchestrator.runs.recorder import Recorder
from ops_orchestrator.runs.run_filter import RunFilter
from ops_orchestrator.runs.store.folder import FolderStore
from ops_orchestrator.runs.store.sqlite_index import FILE_NAME, SqliteIndex
from ops_orchestrator.runs.store.writer import FolderWriter

RUN_ID = "run_2026-01-09T12-34-56Z_ab12cd"
OpenStore = Callable[[], FolderStore]


class OpenRun:
    """A run under way, event by event."""

    def __init__(self, store: FolderStore, started: RunStarted) -> None:
        self.recorder, _ = Recorder.create(store, started)
        self.run_id = self.recorder.state.record.run_id
        self.path = store.location(self.run_id)

    def record(self, what: Occurrence) -> None:
        """Write what happens next; the end lets go of the run."""
        self.recorder.write(Event(run_id=self.run_id, seq=self.recorder.state.seq + 1, what=what))
        if isinstance(what, RunEnded):
            self.close()

    def close(self) -> None:
        """Let go of the run, as a service that dies."""
        self.recorder.close()


@pytest.fixture
def started(catalogue: Catalogue, scenario: Scenario) -> RunStarted:
    return RunStarted(scenario=scenario, plan=plan(scenario, catalogue), versions={})


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[OpenStore]:
    """Opens the store in `tmp_path/runs`, as often as a service is started."""
    with ExitStack() as opened:
        yield lambda: opened.enter_context(closing(FolderStore.open(tmp_path / "runs")))


@pytest.fixture
def store(open_store: OpenStore) -> FolderStore:
    return open_store()


def first_step_done(folder: OpenRun, started: RunStarted) -> None:
    step = started.plan.steps[0]
    found = validate(SuccessEnvelope, envelope(), "envelope")
    sent = Exchange(
        method="POST",
        url="http://a",
        request_headers={},
        request=b"{}",
        status=200,
        headers={"content-type": "application/json"},
        response=b"{}",
    )
    folder.record(StepStarted(step=step))
    folder.record(StepCompleted(step=step, attempts=1, exchange=sent, envelope=found, artifacts=(), fingerprint="f" * 64))


def test_run_under_an_id_that_is_taken_gets_another(store: FolderStore, started: RunStarted) -> None:
    class Forgetful(FolderStore):
        """Says of the first id that it is taken."""

        taken: str | None = None

        def create(self, line: bytes, record: RunRecord, results: Results) -> FolderWriter:
            if self.taken is None:
                self.taken = record.run_id
                raise RunExistsError
            return super().create(line, record, results)

    forgetful = Forgetful(store.folder, SqliteIndex.open(store.folder))
    with closing(forgetful):
        run = OpenRun(forgetful, started)
        assert run.run_id != forgetful.taken
        assert store.record(run.run_id).run_id == run.run_id
        run.close()


def test_id_that_is_taken_is_refused_and_nothing_of_the_first_run_changes(store: FolderStore, started: RunStarted) -> None:
    first = OpenRun(store, started)
    state = first.recorder.state
    with pytest.raises(RunExistsError):
        store.create(b"another\n", state.record, state.results)
    assert b"another" not in store.document(first.run_id, "logs.jsonl")
    first.close()


def test_run_that_cannot_be_made_leaves_nothing_behind(store: FolderStore, started: RunStarted) -> None:
    taken = OpenRun(store, started)
    taken.close()
    taken.path.rename(taken.path.with_name("elsewhere"))
    taken.path.symlink_to("nowhere")  # it does not exist as far as a look tells, and no folder can replace it
    state = taken.recorder.state
    with pytest.raises(StoreError, match="Not a directory"):
        store.create(b"one\n", state.record, state.results)
    assert list(store.folder.glob(".new-*")) == []


def test_record_of_a_run_is_there_as_soon_as_its_folder_is(store: FolderStore, started: RunStarted) -> None:
    folder = OpenRun(store, started)
    assert store.record(folder.run_id).status == "running"
    assert store.results(folder.run_id).results == {}
    folder.close()


@pytest.mark.parametrize(
    "run_id", ["run_1", "..", "../secrets", "", "run_2026-01-09T12-34-56Z_AB12CD", "run_2026-01-09T12-34-56Z_ab12cd/.."]
)
def test_id_that_is_none_is_not_found_and_never_a_path(store: FolderStore, run_id: str) -> None:
    with pytest.raises(NotFoundError, match="is not the id of a run"):
        store.record(run_id)


def test_run_that_is_not_there_is_not_found(store: FolderStore) -> None:
    with pytest.raises(NotFoundError, match="There is no run run_2026-01-09T12-34-56Z_ab12cd"):
        store.record("run_2026-01-09T12-34-56Z_ab12cd")


def test_run_left_running_by_a_dead_service_is_interrupted_with_what_was_done(
    open_store: OpenStore, store: FolderStore, started: RunStarted
) -> None:
    folder = OpenRun(store, started)
    first_step_done(folder, started)
    folder.record(StepStarted(step=started.plan.steps[1]))
    # The lock ends with the process that holds it; nothing else of a crash can be seen from outside.
    folder.close()
    (folder.path / ".staging" / "whole.part").write_text("half")
    again = open_store()
    assert again.recover() == {folder.run_id: None}
    record = again.record(folder.run_id)
    assert (record.status, [step.status for step in record.steps]) == ("interrupted", ["completed", "interrupted"])
    assert list(again.results(folder.run_id).results) == ["alpha"]
    assert json.loads((folder.path / "logs.jsonl").read_text().splitlines()[-1])["status"] == "interrupted"
    listed = {line[66:] for line in (folder.path / "manifest-sha256.txt").read_text().splitlines()}
    assert listed == {"run.json", "results.json", "logs.jsonl", "steps/1-alpha/request.json", "steps/1-alpha/response.json"}


def test_run_whose_log_says_that_it_ended_is_recovered_as_it_ended(
    open_store: OpenStore, store: FolderStore, started: RunStarted
) -> None:
    folder = OpenRun(store, started)
    ended = RunEnded(status="failed", error={"code": "X", "message": "as the log says"})
    event = Event(run_id=folder.run_id, seq=2, what=ended)
    line = event.as_json()
    with (folder.path / "logs.jsonl").open("ab") as log:
        log.write(event.as_line())
    folder.close()
    again = open_store()
    assert again.recover() == {folder.run_id: None}
    record = again.record(folder.run_id)
    assert (record.status, record.finished_at, record.error) == ("failed", line["timestamp"], line["error"])
    assert (folder.path / "logs.jsonl").read_text().count("run.ended") == 1


def test_line_that_a_crash_has_torn_does_not_swallow_the_next(
    open_store: OpenStore, store: FolderStore, started: RunStarted
) -> None:
    folder = OpenRun(store, started)
    folder.close()
    with (folder.path / "logs.jsonl").open("ab") as log:
        log.write(b'{"timestamp": "2026-01')
    open_store().recover()
    lines = (folder.path / "logs.jsonl").read_text().splitlines()
    assert lines[-2] == '{"timestamp": "2026-01'
    assert json.loads(lines[-1])["status"] == "interrupted"


def test_run_that_cannot_be_recovered_does_not_keep_the_others_from_it(
    open_store: OpenStore, store: FolderStore, started: RunStarted
) -> None:
    folders = [OpenRun(store, started), OpenRun(store, started)]
    for folder in folders:
        folder.close()
    (folders[0].path / ".staging").rmdir()
    (folders[0].path / ".staging").write_text("a file where our folder must be")
    recovered = open_store().recover()
    assert isinstance(recovered[folders[0].path.name], OSError)
    assert recovered[folders[1].path.name] is None


def test_run_that_has_ended_does_not_end_again(store: FolderStore, started: RunStarted) -> None:
    folder = OpenRun(store, started)
    folder.record(RunEnded(status="completed"))
    folder.record(RunEnded(status="interrupted"))
    assert store.record(folder.run_id).status == folder.recorder.state.record.status == "completed"


def test_index_tells_what_is_on_disk_and_not_what_was_meant(store: FolderStore, started: RunStarted) -> None:
    folder = OpenRun(store, started)
    folder.recorder.state.apply(Event(run_id=folder.run_id, seq=2, what=RunEnded(status="errored")))
    folder.close()
    assert [run.run_id for run in store.page(10, where=RunFilter(status="running")).runs] == [folder.run_id]
    assert store.page(10, where=RunFilter(status="errored")).runs == []


def test_run_of_a_living_service_is_left_alone(open_store: OpenStore, store: FolderStore, started: RunStarted) -> None:
    folder = OpenRun(store, started)
    again = open_store()
    assert again.recover() == {}
    assert again.record(folder.run_id).status == "running"
    folder.close()


def test_run_that_ended_is_not_touched_by_recovery(store: FolderStore, started: RunStarted) -> None:
    folder = OpenRun(store, started)
    folder.record(RunEnded(status="completed"))
    assert store.recover() == {}
    assert store.record(folder.run_id).status == "completed"


def test_folder_that_another_service_is_just_making_is_left_alone(tmp_path: Path, store: FolderStore) -> None:
    young = tmp_path / "runs" / f".new-{RUN_ID}"
    young.mkdir()
    store.recover()
    assert young.is_dir()
    an_hour_ago = young.stat().st_mtime - 3600
    os.utime(young, (an_hour_ago, an_hour_ago))
    store.recover()
    assert not young.exists()


@pytest.mark.parametrize(("name", "read"), [("run.json", FolderStore.record), ("results.json", FolderStore.results)])
def test_damaged_document_is_named(
    store: FolderStore, started: RunStarted, name: str, read: Callable[[FolderStore, str], object]
) -> None:
    folder = OpenRun(store, started)
    folder.record(RunEnded(status="completed"))
    (store.folder / folder.run_id / name).write_text("{}")
    with pytest.raises(StoreError, match=rf"{folder.run_id}/{name} is damaged"):
        read(store, folder.run_id)


def test_document_that_is_missing_from_a_run_is_named(store: FolderStore, started: RunStarted) -> None:
    folder = OpenRun(store, started)
    folder.record(RunEnded(status="completed"))
    (store.folder / folder.run_id / "logs.jsonl").unlink()
    with pytest.raises(NotFoundError, match=f"{folder.run_id} has no logs.jsonl"):
        store.document(folder.run_id, "logs.jsonl")


def test_folder_that_a_crash_left_half_made_is_cleared_away(tmp_path: Path, store: FolderStore) -> None:
    half = tmp_path / "runs" / f".new-{RUN_ID}"
    half.mkdir()
    (half / "logs.jsonl").touch()
    store.recover()
    assert not half.exists()


def test_list_is_the_same_after_the_index_was_lost(
    tmp_path: Path, open_store: OpenStore, store: FolderStore, started: RunStarted
) -> None:
    folder = OpenRun(store, started)
    folder.record(RunEnded(status="completed"))
    store.close()
    (tmp_path / "runs" / FILE_NAME).unlink()
    assert [run.run_id for run in open_store().page(10).runs] == [folder.run_id]


def test_folders_that_came_and_went_meanwhile_are_noticed_at_the_next_start(
    open_store: OpenStore, store: FolderStore, started: RunStarted
) -> None:
    folder = OpenRun(store, started)
    folder.record(RunEnded(status="completed"))
    store.close()
    copy = "run_2026-01-09T12-34-56Z_ab12cd"
    text = (folder.path / "run.json").read_text().replace(folder.run_id, copy)
    shutil.copytree(folder.path, folder.path.with_name(copy))
    (folder.path.with_name(copy) / "run.json").write_text(text)
    shutil.rmtree(folder.path)
    assert [run.run_id for run in open_store().page(10).runs] == [copy]


def test_damaged_record_does_not_take_the_list_down(tmp_path: Path, store: FolderStore, started: RunStarted) -> None:
    for _ in range(2):
        folder = OpenRun(store, started)
        folder.record(RunEnded(status="completed"))
    (tmp_path / "runs" / folder.run_id / "run.json").write_text("{")
    assert sorted(run.status for run in store.page(10).runs) == ["completed", "damaged"]


def test_pages_follow_each_other_by_cursor_to_the_end(store: FolderStore, started: RunStarted) -> None:
    for _ in range(5):
        OpenRun(store, started).record(RunEnded(status="completed"))
    seen, cursor = [], None
    while True:
        page = store.page(2, cursor)
        seen += [run.run_id for run in page.runs]
        if (cursor := page.next_cursor) is None:
            break
    assert len(seen) == len(set(seen)) == 5


@pytest.mark.parametrize("cursor", ["nonsense", "%%%", "YQ", "é"])
def test_cursor_that_this_list_did_not_give_is_refused(store: FolderStore, cursor: str) -> None:
    with pytest.raises(InvalidRequestError, match="next_cursor"):
        store.page(10, cursor)


def test_artifact_is_looked_up_among_the_results_and_never_by_path(store: FolderStore, started: RunStarted) -> None:
    folder = OpenRun(store, started)
    first_step_done(folder, started)
    for step, name in [("alpha", "../../run.json"), ("alpha", "nope"), ("beta", "x"), ("..", "run.json")]:
        with pytest.raises(NotFoundError, match="has no artifact"):
            store.artifact(folder.run_id, step, name)
    folder.close()


@pytest.mark.parametrize("name", ["file", "file/runs"])
def test_store_that_is_no_folder_cannot_be_opened(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"cannot open the run store .*; set OPS_RUNS_DIR"):
        FolderStore.open(tmp_path / name)


def test_store_that_is_gone_says_that_it_cannot_be_written(tmp_path: Path, store: FolderStore, started: RunStarted) -> None:
    assert store.unwritable() is None
    shutil.rmtree(tmp_path / "runs")
    assert "cannot be written as user" in (store.unwritable() or "")
    with pytest.raises(StoreError, match="cannot write a run in"):
        OpenRun(store, started)
