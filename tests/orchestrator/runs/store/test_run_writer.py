"""What every RunWriter does."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from run_records import RUN_ID, record, results

from ops_orchestrator.errors import NotFoundError
from ops_orchestrator.runs.record import RunRecord
from ops_orchestrator.runs.store.folder import FolderStore
from ops_orchestrator.runs.store.protocols import RunFile, RunStore, RunWriter


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    with closing(FolderStore.open(tmp_path)) as store:
        yield store


@pytest.fixture
def started() -> RunRecord:
    return record(1, status="running").model_copy(update={"run_id": RUN_ID})


@pytest.fixture
def writer(store: RunStore, started: RunRecord) -> Iterator[RunWriter]:
    with closing(store.create(b"one\n", started, results())) as writer:
        yield writer


def test_new_run_has_its_first_line_and_documents(store: RunStore, writer: RunWriter, started: RunRecord) -> None:
    assert writer.staging.is_dir()
    assert store.document(RUN_ID, "logs.jsonl") == b"one\n"
    assert (store.record(RUN_ID), store.results(RUN_ID)) == (started, results())


def test_published_files_are_documents_of_the_run(store: RunStore, writer: RunWriter) -> None:
    (writer.staging / "fetched").write_bytes(b"staged")
    files = [RunFile("a.txt", b"bytes"), RunFile("deep/b.txt", writer.staging / "fetched")]
    writer.publish("artifacts/alpha", files)
    assert store.document(RUN_ID, "artifacts/alpha/a.txt") == b"bytes"
    assert store.document(RUN_ID, "artifacts/alpha/deep/b.txt") == b"staged"
    assert not (writer.staging / "fetched").exists()


def test_folder_with_a_file_that_cannot_be_written_is_not_published_at_all(store: RunStore, writer: RunWriter) -> None:
    with pytest.raises(OSError, match="fetched"):
        writer.publish("steps/1-alpha", [RunFile("request.json", b"{}"), RunFile("b", writer.staging / "fetched")])
    assert store.documents(RUN_ID, "steps/1-alpha") == []
    with pytest.raises(NotFoundError):
        store.document(RUN_ID, "steps/1-alpha/request.json")


def test_append_adds_a_line_and_replaces_the_documents(store: RunStore, writer: RunWriter, started: RunRecord) -> None:
    changed = started.model_copy(update={"versions": {"python": "3"}})
    writer.append(b"two\n", changed)
    assert store.document(RUN_ID, "logs.jsonl") == b"one\ntwo\n"
    assert store.record(RUN_ID) == changed
    writer.append(b"three\n", changed, results(alpha=1))
    assert store.results(RUN_ID) == results(alpha=1)


def test_sealed_run_has_a_manifest_of_every_file_and_nothing_staged(
    store: RunStore, writer: RunWriter, started: RunRecord
) -> None:
    writer.publish("artifacts/alpha", [RunFile("a.txt", b"bytes")])
    (writer.staging / "left-over").touch()
    ended = started.model_copy(update={"status": "completed"})
    writer.seal(b"two\n", ended)
    assert store.record(RUN_ID) == ended
    folder = store.location(RUN_ID)
    ran = subprocess.run(["sha256sum", "-c", "manifest-sha256.txt"], cwd=folder, capture_output=True, text=True, check=True)
    listed = {line.removesuffix(": OK") for line in ran.stdout.splitlines()}
    assert listed == {"run.json", "results.json", "logs.jsonl", "artifacts/alpha/a.txt"}
    assert not (folder / ".staging").exists()


def test_run_that_is_closed_without_its_end_is_recovered_as_interrupted(store: RunStore, writer: RunWriter) -> None:
    assert store.recover() == {}
    writer.close()
    assert store.recover() == {RUN_ID: None}
    assert store.record(RUN_ID).status == "interrupted"
    last = store.document(RUN_ID, "logs.jsonl").splitlines()[-1]
    assert (json.loads(last)["event"], json.loads(last)["seq"]) == ("run.ended", 2)
