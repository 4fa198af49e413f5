"""What a bucket, or the network before it, does to puts: refusals, lost answers, puts that are slow or half written."""

import asyncio
import math
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from faulty_store import Fault, FaultyStore, Kind
from object_stores import bucket_settings, objects_at
from run_records import RUN_ID, begin

from ops_orchestrator.errors import NotFoundError, StoreError
from ops_orchestrator.runs.events import RunEnded
from ops_orchestrator.runs.store.objects.address import BucketAddress
from ops_orchestrator.runs.store.objects.bucket import Bucket, BucketError
from ops_orchestrator.runs.store.objects.store import ObjectStore
from ops_orchestrator.runs.store.objects.writer import LINGER_S
from ops_orchestrator.runs.store.opening import open_store
from ops_orchestrator.runs.store.sqlite_index import SqliteIndex
from ops_orchestrator.runs.verification import verify_run

ERRORED = RunEnded(status="errored", error={"code": "ORCHESTRATOR_ERROR", "message": "the bucket is gone"})
FILES_A_STEP = 3


def opened(folder: Path, prefix: str, *, patience_s: float, request_s: float, linger_s: float = LINGER_S) -> ObjectStore:
    return ObjectStore(
        Bucket(BucketAddress.of(prefix), patience_s=patience_s, request_s=request_s),
        folder,
        lambda source: SqliteIndex.open(folder, source=source),
        keys_folder=folder,
        most_copied_bytes=10_000_000,
        linger_s=linger_s,
    )


@pytest.fixture
def store(before: FaultyStore, prefix: str, tmp_path: Path) -> Iterator[ObjectStore]:
    """A store that gives up a request after two seconds, and a put after five."""
    assert before.url
    with closing(opened(tmp_path, prefix, patience_s=5, request_s=2)) as store:
        yield store


def sizes_of(folder: Path, pattern: str) -> list[int]:
    return [path.stat().st_size for path in folder.glob(pattern)]


def is_whole(store: ObjectStore) -> bool:
    return verify_run(store.run(RUN_ID)).findings == ()


async def write(store: ObjectStore, *modules: str) -> None:
    """A run that completes."""
    run = await begin(store, *modules)
    for number in range(1, len(modules) + 1):
        await run.complete(number)
        if number < len(modules):
            await run.recorder.durable()
    await run.recorder.end(RunEnded(status="completed"))


async def test_run_of_three_steps_makes_eighteen_puts(before: FaultyStore, prefix: str, tmp_path: Path) -> None:
    # On a busy machine as well none is repeated, and no log is put between the steps.
    with closing(opened(tmp_path, prefix, patience_s=600, request_s=600, linger_s=600)) as store:
        await write(store, "alpha", "beta", "gamma")
    created, a_step, ended = 3, FILES_A_STEP + 1, 4
    assert before.puts() == created + 2 * a_step + FILES_A_STEP + ended == 18


@pytest.mark.parametrize("name", ["logs.jsonl", "result.json", "modules.json", "run.json"])
async def test_put_that_was_done_meets_its_own_object_when_its_answer_was_lost(
    store: ObjectStore, before: FaultyStore, name: str
) -> None:
    lost = before.stage(Fault("lost", ending=f"/{name}", times=2))
    await write(store, "alpha")
    assert (lost.times, store.record(RUN_ID).status, is_whole(store)) == (0, "completed", True)


@pytest.mark.parametrize(("name", "kind"), [("logs.jsonl", "half"), ("logs.jsonl", "down"), ("result.json", "half")])
async def test_put_that_broke_is_done_again(store: ObjectStore, before: FaultyStore, name: str, kind: Kind) -> None:
    broken = before.stage(Fault(kind, ending=f"/{name}", times=2))
    await write(store, "alpha")
    assert (broken.times, is_whole(store)) == (0, True)


@pytest.mark.parametrize(
    ("name", "status"),
    [
        *(("logs.jsonl", status) for status in (409, 412, 429, 503)),
        ("result.json", 409),
        ("result.json", 503),
        ("run.json", 412),
    ],
)
async def test_put_that_is_refused_for_a_while_is_done_in_the_end(
    store: ObjectStore, before: FaultyStore, name: str, status: int
) -> None:
    refused = before.stage(Fault("status", ending=f"/{name}", status=status, times=2))
    await write(store, "alpha")
    assert (refused.times, store.record(RUN_ID).status, is_whole(store)) == (0, "completed", True)


async def test_line_is_in_the_bucket_after_the_files_that_it_names(store: ObjectStore, before: FaultyStore) -> None:
    run = await begin(store, "alpha")
    held = before.stage(Fault("held", ending="/result.json"))
    await run.complete(1)
    publishing = asyncio.create_task(run.recorder.durable())
    await asyncio.to_thread(held.met.wait)
    assert [step.status for step in (await asyncio.to_thread(store.record, RUN_ID)).steps] == ["pending"]
    held.released.set()
    await publishing
    assert [step.status for step in store.record(RUN_ID).steps] == ["completed"]
    await run.die()


async def test_end_is_in_the_bucket_after_the_files_of_its_run(store: ObjectStore, before: FaultyStore) -> None:
    run = await begin(store, "alpha")
    down = before.stage(Fault("down", ending="/result.json", times=math.inf))
    await run.complete(1)
    with pytest.raises(StoreError, match=r"cannot put .*result\.json"):
        await run.recorder.durable()
    with pytest.raises(StoreError, match=r"cannot put .*result\.json"):
        await run.writer.finish(ERRORED)
    record = await asyncio.to_thread(store.record, RUN_ID)
    assert (record.status, [step.status for step in record.steps]) == ("running", ["pending"])
    down.times = 0
    record = await run.writer.finish(ERRORED)
    assert (store.record(RUN_ID), is_whole(store)) == (record, True)


async def test_slow_put_that_is_given_up_and_done_again_changes_nothing_when_it_arrives(
    store: ObjectStore, before: FaultyStore, moto: str, prefix: str
) -> None:
    run = await begin(store, "alpha", "beta")
    held = [before.stage(Fault("held", ending=f"/{name}")) for name in ("result.json", "logs.jsonl")]
    await run.complete(1)
    await run.recorder.durable()
    await run.complete(2)
    await run.recorder.end(RunEnded(status="completed"))
    written = objects_at(moto, prefix)
    for fault in held:
        fault.released.set()
        await asyncio.to_thread(fault.done.wait)
    assert objects_at(moto, prefix) == written
    assert is_whole(store)


async def test_slow_put_that_arrives_after_its_run_was_given_up_is_the_beginning_of_what_the_run_ends_with(
    store: ObjectStore, before: FaultyStore
) -> None:
    run = await begin(store, "alpha")
    held = before.stage(Fault("held", ending="/logs.jsonl"))
    down = before.stage(Fault("down", ending="/logs.jsonl", times=math.inf))
    await run.complete(1)
    with pytest.raises(StoreError, match=r"cannot put .*logs\.jsonl"):
        await run.recorder.durable()
    held.released.set()
    await asyncio.to_thread(held.done.wait)
    down.times = 0
    record = await run.writer.finish(ERRORED)
    assert (record.status, [step.status for step in record.steps]) == ("errored", ["completed"])
    assert (store.record(RUN_ID), is_whole(store)) == (record, True)


async def test_run_that_the_bucket_does_not_take_is_ended_when_it_takes_it(store: ObjectStore, before: FaultyStore) -> None:
    run = await begin(store, "alpha", "beta")
    down = before.stage(Fault("down", "ANY", times=math.inf))
    await run.complete(1)
    with pytest.raises(StoreError, match="cannot put"):
        await run.recorder.durable()
    assert "cannot put" in (await asyncio.to_thread(store.unwritable) or "")
    for _ in range(2):
        with pytest.raises(StoreError, match="cannot put"):
            await run.writer.finish(ERRORED)
    down.times = 0
    record = await run.writer.finish(ERRORED)
    assert (store.record(RUN_ID), is_whole(store), store.unwritable()) == (record, True, None)


async def test_run_is_not_made_while_the_bucket_is_gone_and_leaves_nothing(
    store: ObjectStore, before: FaultyStore, tmp_path: Path
) -> None:
    before.stage(Fault("down", "PUT", times=math.inf))
    with pytest.raises(StoreError, match="cannot put"):
        await begin(store)
    before.faults.clear()
    assert store.recover() == {}
    assert (store.page(10).runs, sizes_of(tmp_path, ".objects/*/written/*")) == ([], [])


async def test_read_that_is_not_answered_is_given_up(store: ObjectStore, before: FaultyStore, prefix: str) -> None:
    await write(store, "alpha")
    bucket = Bucket(BucketAddress.of(prefix), patience_s=1, request_s=0.5)
    before.stage(Fault("held", method="GET", times=math.inf))
    with pytest.raises(BucketError, match="cannot read"):
        bucket.read(f"{RUN_ID}/logs.jsonl")


async def test_bucket_that_does_not_exist_is_named(before: FaultyStore) -> None:
    assert before.url
    bucket = Bucket(BucketAddress.of("s3://no-such-bucket/x"), patience_s=1)
    assert "NoSuchBucket" in (await asyncio.to_thread(bucket.unwritable) or "")


async def test_copies_take_as_many_bytes_as_they_may(before: FaultyStore, prefix: str, tmp_path: Path) -> None:
    assert before.url
    bucket = Bucket(BucketAddress.of(prefix), patience_s=5)
    run_ids = [f"run_2026-01-09T12-34-5{number}Z_ab12cd" for number in range(4)]
    store = ObjectStore(
        bucket,
        tmp_path,
        lambda source: SqliteIndex.open(tmp_path, source=source),
        keys_folder=tmp_path,
        most_copied_bytes=20_000,
    )
    with closing(store):
        for run_id in run_ids:
            await (await begin(store, run_id=run_id)).recorder.end(RunEnded(status="completed"))
        for run_id in run_ids:
            for name in store.run(run_id).files():
                store.run(run_id).document(name)
        assert 0 < sum(sizes_of(tmp_path, ".objects/*/copies/*/*")) <= 20_000
        assert store.record(run_ids[0]).status == "completed"


@dataclass
class FromTheSecond(Fault):
    """Happens to all requests but the first that it would happen to."""

    seen: int = 0

    def takes(self, method: str, path: str) -> bool:
        if not super().takes(method, path):
            return False
        self.seen += 1
        return self.seen > 1


async def test_run_whose_removal_broke_off_is_gone(store: ObjectStore, before: FaultyStore) -> None:
    await write(store, "alpha")
    before.stage(FromTheSecond("down", "POST", times=math.inf))
    with pytest.raises(StoreError):
        await asyncio.to_thread(store.remove, RUN_ID)
    with pytest.raises(NotFoundError):
        store.record(RUN_ID)


async def test_record_that_is_put_after_its_log_is_read_by_whoever_has_read_the_log_before(
    store: ObjectStore, before: FaultyStore, prefix: str, tmp_path: Path
) -> None:
    run = await begin(store, "alpha")
    await run.complete()
    held = before.stage(Fault("held", ending="run.json"))
    with closing(open_store(bucket_settings(tmp_path / "elsewhere", prefix))) as elsewhere:
        ending = asyncio.create_task(run.recorder.end(RunEnded(status="completed")))
        await asyncio.to_thread(held.met.wait)
        assert (await asyncio.to_thread(elsewhere.record, RUN_ID)).status == "running"
        held.released.set()
        await ending
        assert (await asyncio.to_thread(elsewhere.record, RUN_ID)).status == "completed"
