"""The archive of the legacy service: the older dialect, and files on a volume that others read."""

import hashlib
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette

from ops_stubs.legacy import create_legacy
from ops_stubs.legacy_archive import archive

Connect = Callable[[Starlette], AbstractAsyncContextManager[httpx2.AsyncClient]]

BODY: dict[str, Any] = {"run_id": "r1", "parameters": {}, "inputs": {"b": {"z": 1, "a": "ñ"}, "a": [1, 2]}, "metadata": {}}


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    return tmp_path / "not/there/yet"


@pytest.fixture
async def client(connect: Connect, shared: Path) -> AsyncIterator[httpx2.AsyncClient]:
    async with connect(create_legacy(shared)) as opened:
        yield opened


@pytest.fixture
def occupied(tmp_path: Path) -> Path:
    """Where a folder should be, and a file is."""
    path = tmp_path / "no-folder"
    path.touch()
    return path


@pytest.fixture
def _private_umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.mark.anyio
async def test_archive_health_is_in_the_older_dialect(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/archive/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "module_name": "archive", "version": "0.9.2"})


@pytest.mark.anyio
async def test_archive_answers_the_older_envelope(client: httpx2.AsyncClient, shared: Path) -> None:
    answer = await client.post("/archive/execute", json=BODY)
    told = answer.json()
    summary, index = told.pop("artifacts")
    assert (answer.status_code, told) == (
        200,
        {"module_name": "archive", "version": "0.9.2", "status": "success", "output": {"documents": 2, "bytes": 21}},
    )
    content = (shared / "archive/summary.json").read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    assert summary == {
        "module_name": "archive",
        "file_path": str(shared / "archive/summary.json"),
        "hash": digest,
        "type": "json",
    }
    assert index == {"module_name": "archive", "file_path": str(shared / "archive/index.txt"), "type": "text"}


@pytest.mark.anyio
async def test_archive_of_nothing_hides_its_failure_in_a_success(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/archive/execute", json={"run_id": "r1", "inputs": {}})
    assert (answer.status_code, answer.json()["status"]) == (200, "failure")


@pytest.mark.anyio
async def test_archive_that_cannot_make_its_folder_says_where_and_why(connect: Connect, occupied: Path) -> None:
    async with connect(create_legacy(occupied)) as client:
        answer = await client.post("/archive/execute", json=BODY)
    assert (answer.status_code, answer.headers["content-type"]) == (500, "text/plain; charset=utf-8")
    assert answer.text == f"cannot write to {occupied}/archive: Not a directory"


@pytest.mark.anyio
async def test_archive_in_a_relative_folder_tells_absolute_paths(
    connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with connect(create_legacy(Path("here"))) as client:
        told = (await client.post("/archive/execute", json=BODY)).json()
    assert told["artifacts"][0]["file_path"] == str(tmp_path / "here/archive/summary.json")


def test_archive_lists_each_document_by_its_compact_json(shared: Path) -> None:
    archive(BODY, shared)
    texts = {"a": b"[1,2]", "b": '{"a":"ñ","z":1}'.encode()}
    listed = [{"name": name, "sha256": hashlib.sha256(text).hexdigest(), "bytes": len(text)} for name, text in texts.items()]
    summary = json.loads((shared / "archive/summary.json").read_bytes())
    index = (shared / "archive/index.txt").read_text().splitlines()
    assert (summary["documents"], summary["bytes"]) == (listed, 21)
    assert "stub" in summary["note"]
    assert [line.split() for line in index] == [[entry["sha256"], str(entry["bytes"]), entry["name"]] for entry in listed]


def test_archive_takes_input_for_inputs(shared: Path) -> None:
    other = {"run_id": "r2", "input": BODY["inputs"], "requested_by": "someone"}
    assert archive(BODY, shared) == archive(other, shared)


def test_archive_overwrites_the_files_of_an_earlier_run_whole(shared: Path) -> None:
    """Who has opened the earlier file still reads all of it, and nothing else is left behind."""
    first = archive(BODY, shared)["artifacts"]
    with (shared / "archive/summary.json").open("rb") as earlier:
        second = archive({"inputs": {"c": 1}}, shared)["artifacts"]
        assert hashlib.sha256(earlier.read()).hexdigest() == first[0]["hash"]
    assert [artifact["file_path"] for artifact in first] == [artifact["file_path"] for artifact in second]
    assert hashlib.sha256((shared / "archive/summary.json").read_bytes()).hexdigest() == second[0]["hash"] != first[0]["hash"]
    assert {path.name for path in (shared / "archive").iterdir()} == {"summary.json", "index.txt"}


@pytest.mark.usefixtures("_private_umask")
def test_archive_can_be_read_by_other_users(shared: Path, tmp_path: Path) -> None:
    archive(BODY, shared)
    folders = [tmp_path / "not", tmp_path / "not/there", shared, shared / "archive"]
    assert {folder.stat().st_mode & 0o777 for folder in folders} == {0o755}
    assert {path.stat().st_mode & 0o777 for path in (shared / "archive").iterdir()} == {0o644}


def test_archive_leaves_the_mode_of_a_folder_that_was_there(shared: Path) -> None:
    shared.mkdir(parents=True)
    shared.chmod(0o775)
    archive(BODY, shared)
    assert shared.stat().st_mode & 0o777 == 0o775


@pytest.mark.parametrize("body", [{}, {"inputs": {}}, {"input": {}, "inputs": {}}, {"inputs": ["a"]}, {"input": "a"}], ids=str)
def test_archive_of_nothing_is_a_failure_and_makes_no_folder(shared: Path, tmp_path: Path, body: dict[str, Any]) -> None:
    told = archive({"run_id": "r1", **body}, shared)
    assert (told["status"], told["output"], told["artifacts"]) == ("failure", {"error": "nothing to archive"}, [])
    assert list(tmp_path.iterdir()) == []


def test_archive_that_cannot_write_a_file_leaves_no_part_of_it(shared: Path) -> None:
    (shared / "archive/summary.json").mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        archive(BODY, shared)
    assert [path.name for path in (shared / "archive").iterdir()] == ["summary.json"]


def test_archive_index_keeps_one_line_a_document(shared: Path) -> None:
    archive({"inputs": {"two\nlines": 1}}, shared)
    index = (shared / "archive/index.txt").read_text()
    assert index.endswith("  two lines\n")
    assert index.count("\n") == 1
