"""What every RunWriter does."""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from run_records import RUN_ID, OpenRun, begin

from ops_contract import sha256_hex
from ops_orchestrator.errors import NotFoundError, StoreError
from ops_orchestrator.runs.events import RunEnded, StepStarted
from ops_orchestrator.runs.run_file import FileRef, RunFile
from ops_orchestrator.runs.store.folder import FolderStore
from ops_orchestrator.runs.store.protocols import RunStore

STARTED = StepStarted(step="alpha", module="alpha", url="http://a", ready_timeout_s=0.0)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    with closing(FolderStore.open(tmp_path)) as store:
        yield store


@pytest.fixture
async def run(store: RunStore) -> OpenRun:
    return await begin(store)


def lines(store: RunStore) -> list[dict[str, object]]:
    return [json.loads(line) for line in store.document(RUN_ID, "logs.jsonl").splitlines()]


async def test_new_run_is_in_place_with_its_first_lines_and_its_record(store: RunStore, run: OpenRun) -> None:
    assert [line["event"] for line in lines(store)] == ["run.queued", "run.started"]
    assert store.record(RUN_ID) == run.recorder.record
    assert store.results(RUN_ID).steps == {}
    assert store.document(RUN_ID, "modules.json") == b'{"modules": {}}\n'


async def test_files_are_documents_of_the_run_as_soon_as_they_are_handed_over_and_durable(
    store: RunStore, run: OpenRun
) -> None:
    run.writer.staging.mkdir()
    fetched = run.writer.staging / "fetched"
    fetched.write_bytes(b"staged")
    staged = RunFile(FileRef("artifacts/alpha/deep/b.txt", sha256_hex(b"staged"), 6), fetched)
    await run.recorder.add(STARTED, [RunFile.of("artifacts/alpha/a.txt", b"bytes"), staged])
    await run.recorder.durable()
    assert store.document(RUN_ID, "artifacts/alpha/a.txt") == b"bytes"
    assert store.document(RUN_ID, "artifacts/alpha/deep/b.txt") == b"staged"
    assert not fetched.exists()


async def test_record_and_results_of_a_run_under_way_are_what_its_log_tells(store: RunStore, run: OpenRun) -> None:
    await run.complete(answer=42)
    await run.recorder.durable()
    assert [step.status for step in store.record(RUN_ID).steps] == ["completed"]
    assert store.record(RUN_ID) == run.recorder.record
    assert store.results(RUN_ID).results == {"alpha": {"answer": 42, "artifacts": []}}


async def test_line_is_not_written_when_one_of_its_files_cannot_be_and_the_writer_writes_nothing_more(
    store: RunStore, run: OpenRun
) -> None:
    gone = RunFile(FileRef("artifacts/alpha/b", sha256_hex(b""), 0), run.writer.staging / "gone")
    await run.recorder.add(STARTED, [gone])
    with pytest.raises(StoreError, match="cannot write in"):
        await run.recorder.durable()
    with pytest.raises(StoreError, match="cannot write in"):
        await run.recorder.add(STARTED)
    assert [line["seq"] for line in lines(store)] == [1, 2]


async def test_run_for_which_the_writer_failed_can_be_ended_as_far_as_it_was_written(store: RunStore, run: OpenRun) -> None:
    await run.complete()
    await run.recorder.add(STARTED, [RunFile(FileRef("artifacts/b", "0" * 64, 0), run.writer.staging / "gone")])
    record = await run.writer.finish(RunEnded(status="errored", error={"code": "X", "message": "no room"}))
    assert store.record(RUN_ID) == record
    assert (record.status, [step.status for step in record.steps]) == ("errored", ["completed"])
    assert [line["seq"] for line in lines(store)] == [1, 2, 3, 4, 5]


async def test_run_that_is_over_has_a_manifest_of_every_file_and_nothing_staged(store: RunStore, run: OpenRun) -> None:
    await run.complete()
    run.writer.staging.mkdir()
    (run.writer.staging / "left-over").touch()
    await run.recorder.end(RunEnded(status="completed"))
    assert store.record(RUN_ID).status == "completed"
    folder = store.location(RUN_ID)
    words = ["sha256sum", "-c", "manifest-sha256.txt"]
    ran = await asyncio.to_thread(subprocess.run, words, cwd=folder, capture_output=True, text=True, check=True)
    listed = {line.removesuffix(": OK") for line in ran.stdout.splitlines()}
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert listed == found - {"manifest-sha256.txt"}


async def test_run_is_over_for_readers_only_when_its_end_is_durable(store: RunStore, run: OpenRun) -> None:
    await run.recorder.end(RunEnded(status="completed"))
    assert run.recorder.record.status == store.record(RUN_ID).status == "completed"


async def test_run_that_is_left_without_its_end_is_recovered_as_interrupted(store: RunStore, run: OpenRun) -> None:
    await run.recorder.durable()
    assert store.recover() == {}
    await run.die()
    assert store.recover() == {RUN_ID: None}
    assert store.record(RUN_ID).status == "interrupted"
    assert (lines(store)[-1]["event"], lines(store)[-1]["seq"]) == ("run.ended", 3)


async def test_file_that_no_run_has_is_not_found(store: RunStore, run: OpenRun) -> None:
    with pytest.raises(NotFoundError):
        store.document(RUN_ID, "steps/1-alpha/request.json")
    await run.die()
