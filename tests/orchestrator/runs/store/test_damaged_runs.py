"""Runs that cannot be used are listed as damaged, with the reason, and all others as ever."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from run_records import GOOD, RUN_ID, leave, store_two_runs

from ops_orchestrator.errors import DamagedRunError, NotFoundError, StoreError
from ops_orchestrator.runs.history import run_before
from ops_orchestrator.runs.run_filter import RunFilter
from ops_orchestrator.runs.store.folder import FolderStore
from ops_orchestrator.runs.store.reading import readable
from ops_orchestrator.runs.store.sqlite_index import FILE_NAME

STEP = {"step": 1, "id": "alpha", "module": "alpha", "action": "execute"}
OpenStore = Callable[[], FolderStore]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the run RUN_ID, beside that of GOOD. Both are over, and no index knows of them."""
    store_two_runs(tmp_path)
    (tmp_path / FILE_NAME).unlink()
    return tmp_path / RUN_ID


def change(folder: Path, document: str, **fields: Any) -> None:
    file = folder / document
    file.write_text(json.dumps(json.loads(file.read_bytes()) | fields))


def rows(*texts: bytes) -> list[Any]:
    return [pytest.param(text, id=text[:20].decode(errors="replace")) for text in texts]


NOT_A_RECORD = rows(
    b"",
    b"{",
    b"null",
    b"[]",
    b"7",
    b"{}",
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b"\xff",
    b'{"request": NaN}',
    b'{"request": "\\ud800"}',
    b'{"request": {}, "request": {}}',
    b"1" * 5000,
)


@pytest.mark.parametrize("document", ["run.json", "results.json"])
@pytest.mark.parametrize("text", NOT_A_RECORD)
def test_text_that_is_not_a_document_is_damage(folder: Path, open_store: OpenStore, document: str, text: bytes) -> None:
    (folder / document).write_bytes(text)
    read = {"run.json": FolderStore.record, "results.json": FolderStore.results}[document]
    store = open_store()
    with pytest.raises(DamagedRunError, match=f"{RUN_ID}/{document} is damaged: "):
        read(store, RUN_ID)
    with pytest.raises(DamagedRunError):
        store.document(RUN_ID, document)


FIELDS: list[dict[str, Any]] = [
    {"request": {}},
    {"request": None},
    {"request": {"scenario_id": 2**70, "inputs": {}, "run_options": {}}},
    {"request": {"scenario_id": [], "inputs": {}, "run_options": {}}},
    {"request": {"scenario_id": "demo", "inputs": None, "run_options": {}}},
    {"run_id": GOOD},
    {"run_id": 2**70},
    {"status": "damaged"},
    {"plan": None},
    {"plan": [1] * 100_000},
    {"steps": None},
    {"steps": [1] * 100_000},
    {"steps": [STEP | {"status": "foreign"}]},
    {"steps": [STEP | {"step": 2**70}]},
    {"steps": [STEP | {"started_at": "yesterday"}]},
    {"started_at": "2026-13-45T99:99:99Z"},
    {"started_at": "2026-01-09 12:34:56Z"},
    {"started_at": "2026-01-09T12:34:56"},
    {"finished_at": 7},
    {"more": [0] * 1_000_000},
    {"error": {}},
    {"versions": {str(number): 1 for number in range(100_000)}},
]


@pytest.mark.parametrize("fields", FIELDS, ids=", ".join)
def test_record_with_a_field_that_cannot_be_used_is_damage_and_the_other_run_is_listed(
    folder: Path, open_store: OpenStore, fields: dict[str, Any]
) -> None:
    change(folder, "run.json", **fields)
    store = open_store()
    assert store.recover() == {}
    listed = {run.run_id: run for run in store.page(10).runs}
    assert {run_id: run.status for run_id, run in listed.items()} == {RUN_ID: "damaged", GOOD: "completed"}
    assert listed[RUN_ID].reason.startswith("run.json: ")


@pytest.mark.parametrize(
    "fields",
    [
        {"run_id": GOOD},
        {"results": None},
        {"results": {"alpha": {}}},
        {"results": {"alpha": {"artifacts": [1]}}},
        {"steps": {"alpha": None}},
        {"steps": {str(number): 1 for number in range(100_000)}},
    ],
    ids=", ".join,
)
def test_results_with_a_field_that_cannot_be_used_are_damage(
    folder: Path, open_store: OpenStore, fields: dict[str, Any]
) -> None:
    change(folder, "results.json", **fields)
    with pytest.raises(DamagedRunError, match=r"results\.json is damaged"):
        open_store().results(RUN_ID)


def too_large(file: Path) -> None:
    file.unlink()
    with file.open("wb") as opened:
        opened.truncate(100 * 1024 * 1024)


def replaced_by(make: Callable[[Path], object]) -> Callable[[Path], object]:
    def replace(file: Path) -> None:
        file.unlink()
        make(file)

    return replace


ODD: dict[str, Callable[[Path], object]] = {
    "missing": Path.unlink,
    "link": lambda file: file.rename(file.with_name("real")).parent.joinpath(file.name).symlink_to("real"),
    "pipe": replaced_by(os.mkfifo),
    "folder": replaced_by(Path.mkdir),
    "100 MB": too_large,
}


@pytest.mark.parametrize("kind", ODD)
def test_record_that_is_not_a_plain_file_is_damage(folder: Path, open_store: OpenStore, kind: str) -> None:
    ODD[kind](folder / "run.json")
    listed = {run.run_id: run.status for run in open_store().page(10).runs}
    assert listed == {RUN_ID: "damaged", GOOD: "completed"}


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
@pytest.mark.parametrize("document", ["results.json", "logs.jsonl"])
def test_document_that_is_not_a_plain_file_is_refused(folder: Path, open_store: OpenStore, kind: str, document: str) -> None:
    ODD[kind](folder / document)
    with pytest.raises(DamagedRunError, match=f"{document} is damaged"):
        open_store().document(RUN_ID, document)


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_step_folder_with_anything_but_plain_files_is_refused(folder: Path, open_store: OpenStore, kind: str) -> None:
    response = folder / "steps" / "1-alpha" / "response.json"
    ODD[kind](response)
    with pytest.raises(DamagedRunError):
        open_store().documents(RUN_ID, "steps/1-alpha")


def test_folder_of_a_run_that_is_a_link_is_damage(folder: Path, open_store: OpenStore) -> None:
    folder.rename(folder.with_name("elsewhere"))
    folder.symlink_to("elsewhere")
    store = open_store()
    assert {run.run_id: run.status for run in store.page(10).runs} == {RUN_ID: "damaged", GOOD: "completed"}
    with pytest.raises(DamagedRunError):
        store.document(RUN_ID, "logs.jsonl")


def test_damaged_runs_can_be_filtered_until_they_are_repaired(folder: Path, open_store: OpenStore) -> None:
    store = open_store()
    whole = (folder / "run.json").read_bytes()
    (folder / "run.json").write_text("{")
    assert [run.run_id for run in store.page(10, where=RunFilter(status="completed")).runs] == [GOOD]
    assert [run.run_id for run in store.page(10, where=RunFilter(status="damaged")).runs] == [RUN_ID]
    (folder / "run.json").write_bytes(whole)
    assert store.page(10, where=RunFilter(status="damaged")).runs == []
    assert len(store.page(10, where=RunFilter(status="completed")).runs) == 2


def test_run_that_was_repaired_while_nobody_looked_is_listed_again(folder: Path, open_store: OpenStore) -> None:
    whole = (folder / "run.json").read_bytes()
    (folder / "run.json").write_text("{")
    open_store().close()
    (folder / "run.json").write_bytes(whole)
    assert len(open_store().page(10, where=RunFilter(status="completed")).runs) == 2


def make_old(folder: Path) -> None:
    """Make of a run that is over one that version 0.1.0 left: its record tells what its log does not."""
    leave(folder)
    change(folder, "run.json", format=1)
    (folder / "results.json").write_text(json.dumps({"run_id": RUN_ID, "scenario_id": "demo"}))
    (folder / "logs.jsonl").write_text('{"event": "run.started"}\n')


LEFT: dict[str, Callable[[Path], object]] = {
    "no log": lambda folder: (folder / "logs.jsonl").unlink(),
    "log is a link": lambda folder: ODD["link"](folder / "logs.jsonl"),
    "log is a pipe": lambda folder: ODD["pipe"](folder / "logs.jsonl"),
    "result is a link": lambda folder: ODD["link"](folder / "steps" / "1-alpha" / "result.json"),
    "file is a pipe": lambda folder: os.mkfifo(folder / "steps" / "pipe"),
    "file is a link": lambda folder: (folder / "steps" / "linked").symlink_to("/"),
    "name is not text": lambda folder: (folder / "steps" / "a\nb").touch(),
    "staging is a link": lambda folder: (folder / ".staging").symlink_to("../.."),
}


@pytest.mark.parametrize("kind", LEFT)
def test_damaged_run_that_a_dead_service_left_does_not_keep_the_others_from_being_recovered(
    folder: Path, open_store: OpenStore, kind: str
) -> None:
    other = folder.with_name(GOOD)
    for left in (folder, other):
        leave(left)
    before = [*folder.parent.parent.iterdir()]
    LEFT[kind](folder)
    store = open_store()
    assert store.recover()[GOOD] is None
    assert {run.run_id: run.status for run in store.page(10).runs} == {RUN_ID: "damaged", GOOD: "interrupted"}
    assert [*store.recover()] == [RUN_ID]
    assert [*folder.parent.parent.iterdir()] == before


def test_run_that_a_dead_service_left_is_recovered_from_its_log_alone(folder: Path, open_store: OpenStore) -> None:
    leave(folder)
    (folder / "run.json").write_text("{")
    store = open_store()
    assert store.recover() == {RUN_ID: None}
    assert (store.record(RUN_ID).status, [*store.results(RUN_ID).steps]) == ("interrupted", ["alpha"])


def test_log_that_ends_as_no_run_does_is_ended_as_interrupted(folder: Path, open_store: OpenStore) -> None:
    make_old(folder)
    line = {"event": "run.ended", "status": "running", "timestamp": "2026-01-09T12:34:56Z"}
    (folder / "logs.jsonl").write_text(json.dumps(line) + "\n")
    store = open_store()
    store.recover()
    assert store.record(RUN_ID).status == "interrupted"


def test_numbers_that_have_no_canonical_form_leave_the_run_without_a_recipe(folder: Path, open_store: OpenStore) -> None:
    make_old(folder)
    change(folder, "run.json", request={"scenario_id": "demo", "inputs": {"a": 2**70}, "run_options": {}})
    store = open_store()
    assert store.recover() == {RUN_ID: None}
    assert store.record(RUN_ID).fingerprints.recipe is None


def test_run_whose_request_and_steps_differ_cannot_be_taken_up(folder: Path, open_store: OpenStore) -> None:
    change(folder, "run.json", steps=[STEP, STEP | {"step": 2, "id": "beta", "module": "beta"}])
    with pytest.raises(StoreError, match="request and steps differ in number"):
        run_before(open_store(), RUN_ID, "beta", "execute")


@pytest.mark.parametrize("name", ["not-a-run", "run_1", ".new-run", "run_2026-01-09T12-34-56Z_ABCDEF"])
def test_folder_whose_name_is_not_a_run_id_is_ignored(folder: Path, open_store: OpenStore, name: str) -> None:
    shutil.copytree(folder, folder.with_name(name))
    assert {run.run_id for run in open_store().page(10).runs} == {RUN_ID, GOOD}


def test_run_of_which_a_folder_disappears_while_it_is_read_is_being_removed(folder: Path) -> None:
    with pytest.raises(NotFoundError, match=f"^{RUN_ID} is being removed"), readable(folder.parent, RUN_ID, ""):
        (folder / "none").stat()
