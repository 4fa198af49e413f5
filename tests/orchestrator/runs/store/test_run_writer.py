"""What every RunWriter does."""

import asyncio
import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from run_records import GOOD, RUN_ID, OpenRun, begin, first_events
from troubled_disk import FullDisk, HeldDisk

from ops_contract import sha256_hex
from ops_orchestrator.errors import NotFoundError, StoreError
from ops_orchestrator.runs.events import AttemptFailed, Event, RunCancelling, RunEnded, RunStarted, StepStarted
from ops_orchestrator.runs.recorder import Recorder
from ops_orchestrator.runs.run_file import FileRef, RunFile
from ops_orchestrator.runs.run_state import RunState
from ops_orchestrator.runs.store.folder import FolderStore
from ops_orchestrator.runs.store.protocols import RunStore
from ops_orchestrator.runs.store.sqlite_index import SqliteIndex
from ops_orchestrator.runs.store.sync import NoSync
from ops_orchestrator.runs.store.writer import Writer

STARTED = StepStarted(step="alpha", module="alpha", url="http://a", ready_timeout_s=0.0)


@pytest.fixture
def store(any_store: RunStore) -> RunStore:
    return any_store


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
    files = [RunFile.of("artifacts/alpha/a.txt", b"bytes"), staged]
    tried = {"code": "X", "message": "an attempt"}
    failed = AttemptFailed(step="alpha", module="alpha", attempt=1, error=tried, retry_in_s=0.0)
    await run.recorder.add(replace(failed, files=tuple(file.ref for file in files)), files)
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


async def test_run_that_cannot_be_written_ends_alone(store: RunStore, run: OpenRun) -> None:
    other = await begin(store, run_id=GOOD)
    await run.recorder.add(STARTED, [RunFile(FileRef("artifacts/b", "0" * 64, 0), run.writer.staging / "gone")])
    with pytest.raises(StoreError, match="cannot write in"):
        await run.recorder.durable()
    await other.complete()
    await other.recorder.end(RunEnded(status="completed"))
    assert store.record(GOOD).status == "completed"
    await run.writer.abandon()


async def test_flush_that_fails_ends_every_run_under_way(tmp_path: Path) -> None:
    with closing(FolderStore(tmp_path, SqliteIndex.open(tmp_path), FullDisk())) as store:
        runs = [await begin(store, run_id=run_id) for run_id in (RUN_ID, GOOD)]
        with pytest.raises(StoreError, match="No space left on device"):
            await runs[0].recorder.durable()
        # Nobody knows which run's bytes the disk lost.
        with pytest.raises(StoreError, match="No space left on device"):
            await runs[1].recorder.add(STARTED)
        for run in runs:
            await run.writer.abandon()


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
    manifest = store.document(RUN_ID, "manifest-sha256.txt").decode()
    listed = {name: sha256 for sha256, name in (line.split("  ", 1) for line in manifest.splitlines())}
    found = {name: sha256_hex(store.run(RUN_ID).document(name)) for name in store.run(RUN_ID).files()}
    assert listed == {name: sha256 for name, sha256 in found.items() if name != "manifest-sha256.txt"}


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


async def test_who_has_more_to_write_than_may_wait_waits_as_well(tmp_path: Path) -> None:
    held, (_, events) = HeldDisk(seq=3), first_events()
    with closing(SqliteIndex.open(tmp_path)) as index, closing(Writer(index, NoSync(), [held], most_queued_bytes=1)) as writer:
        run = await writer.create(tmp_path / RUN_ID, events, RunState.of(events).record, b"{}")
        await run.append(Event(run_id=RUN_ID, seq=3, what=STARTED))
        await asyncio.to_thread(held.reached.wait)
        second = asyncio.create_task(run.append(Event(run_id=RUN_ID, seq=4, what=STARTED)))
        for _ in range(5):
            await asyncio.sleep(0)
        waits = not second.done()
        held.released.set()
        await second
        await run.abandon()
    assert waits


async def test_runs_that_end_while_a_flush_goes_on_share_the_next_ones(tmp_path: Path) -> None:
    held = HeldDisk(seq=3)
    with closing(FolderStore(tmp_path, SqliteIndex.open(tmp_path), held)) as store:
        first, last, *others = [await begin(store, run_id=f"{RUN_ID[:-1]}{number}") for number in range(7)]
        ends = [asyncio.create_task(first.recorder.end(RunEnded(status="completed")))]
        await asyncio.to_thread(held.reached.wait)
        ends += [asyncio.create_task(run.recorder.end(RunEnded(status="completed"))) for run in others]
        await asyncio.sleep(0)
        # It is written after all ends that were handed over before, and waited for.
        await last.recorder.add(STARTED, [RunFile.of("artifacts/alpha/large", bytes(1024 * 1024))])
        held.released.set()
        await asyncio.gather(*ends)
        await last.die()
        folders = {str(store.location(run.recorder.record.run_id)) for run in others}
    # The first run's; then all others'; then their final records; and that of the run that died.
    _, shared, *rest = held.flushed
    assert (folders <= shared, len(rest)) == (True, 2)


async def test_event_that_is_being_written_when_its_run_is_cancelled_counts(tmp_path: Path) -> None:
    held = HeldDisk(seq=3)
    with closing(FolderStore(tmp_path, SqliteIndex.open(tmp_path), NoSync(), [held])) as store:
        run = await begin(store)
        await run.recorder.add(STARTED)
        await asyncio.to_thread(held.reached.wait)
        large = asyncio.create_task(run.recorder.add(STARTED, [RunFile.of("artifacts/alpha/large", bytes(1024 * 1024))]))
        await asyncio.sleep(0)
        large.cancel()
        held.released.set()
        with pytest.raises(asyncio.CancelledError):
            await large
        await run.recorder.add(RunCancelling(by="a test"))
        await run.recorder.durable()
        assert [line["seq"] for line in lines(store)] == [1, 2, 3, 4, 5]
        await run.writer.abandon()


async def test_event_for_which_there_is_no_room_when_its_run_is_cancelled_does_not_count(tmp_path: Path) -> None:
    held, (_, events) = HeldDisk(seq=3), first_events()
    with closing(SqliteIndex.open(tmp_path)) as index, closing(Writer(index, NoSync(), [held], most_queued_bytes=1)) as writer:
        state = RunState.of(events)
        recorder = Recorder(await writer.create(tmp_path / RUN_ID, events, state.record, b"{}"), state)
        await recorder.add(STARTED)
        await asyncio.to_thread(held.reached.wait)
        waiting = [recorder.add(STARTED), recorder.go_on(RunStarted(executor="x", attempt=2))]
        for each in map(asyncio.ensure_future, waiting):
            await asyncio.sleep(0)
            each.cancel()
            with pytest.raises(asyncio.CancelledError):
                await each
        held.released.set()
        await recorder.add(RunCancelling(by="a test"))
        await recorder.leave()
    log = (tmp_path / RUN_ID / "logs.jsonl").read_text().splitlines()
    assert [json.loads(line)["event"] for line in log] == ["run.queued", "run.started", "step.started", "run.cancelling"]
    assert [json.loads(line)["seq"] for line in log] == [1, 2, 3, 4]
    assert recorder.record.attempt == 1
