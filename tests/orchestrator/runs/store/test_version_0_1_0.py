"""Run folders that version 0.1.0 left: they are listed, shown and served as by that version, and never changed."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from ops_orchestrator.errors import ConflictError
from ops_orchestrator.runs.store.folder import FolderStore

FOLDERS: Final = Path(__file__).with_name("version_0_1_0")
COMPLETED: Final = "run_2026-11-28T20-25-43Z_9e26a1"
FAILED: Final = "run_2026-11-28T20-25-46Z_7d66f8"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FolderStore]:
    shutil.copytree(FOLDERS, tmp_path / "runs")
    with closing(FolderStore.open(tmp_path / "runs")) as store:
        yield store


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("run_*/**/*")
        if path.is_file()
    }


def test_they_are_listed_newest_first(store: FolderStore) -> None:
    listed = [(run.run_id, run.status, run.scenario_id, run.modules) for run in store.page(9).runs]
    modules = ["policy-simulator", "strategy-agent"]
    assert listed == [(FAILED, "failed", "demo-scenario-001", modules), (COMPLETED, "completed", "demo-scenario-001", modules)]


def test_record_and_results_say_what_their_documents_say(store: FolderStore) -> None:
    kept = json.loads((FOLDERS / COMPLETED / "run.json").read_bytes())
    record, results = store.record(COMPLETED), store.results(COMPLETED)
    assert record.format == 1
    assert (record.fingerprints.recipe, record.fingerprints.result) == tuple(kept["fingerprints"].values())
    assert [(step.id, step.status, step.module_version) for step in record.steps] == [
        ("policy-simulator", "completed", "0.1.0"),
        ("strategy-agent", "completed", "0.1.0"),
    ]
    assert results.results == json.loads((FOLDERS / COMPLETED / "results.json").read_bytes())["results"]


def test_failed_run_says_why(store: FolderStore) -> None:
    error = store.record(FAILED).error
    assert error is not None
    assert (error["code"], error["step"]) == ("MODULE_ERROR", "policy-simulator")


def test_log_is_read_to_its_end_and_its_lines_are_numbered(store: FolderStore) -> None:
    with closing(store.log(COMPLETED)) as log:
        lines = log.read()
    assert b"".join(line.data for line in lines) == (FOLDERS / COMPLETED / "logs.jsonl").read_bytes()
    assert ([line.seq for line in lines], lines[-1].is_last) == ([*range(1, len(lines) + 1)], True)


@pytest.mark.anyio
async def test_a_start_and_an_attempt_to_resume_change_nothing(store: FolderStore) -> None:
    before = hashes(store.folder)
    assert store.recover() == {}
    with pytest.raises(ConflictError, match="start its request again"):
        await store.reopen(FAILED)
    assert hashes(store.folder) == before == hashes(FOLDERS)
