"""A writer that was paused, and whose run another one has taken over meanwhile, changes nothing that counts."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, Popen

import pytest
from faulty_store import Fault, FaultyStore, faulty
from local_service import ROOT, environment
from object_stores import bucket_settings, credentials_for, new_prefix, objects_at, put_object
from run_records import RUN_ID, OpenRun, begin, first_events

from ops_orchestrator.errors import ConflictError, FencedError
from ops_orchestrator.runs.events import RunEnded, RunResumed, RunStarted
from ops_orchestrator.runs.feed import Line
from ops_orchestrator.runs.record import LOGS
from ops_orchestrator.runs.recorder import Recorder
from ops_orchestrator.runs.resumption import files_to_move
from ops_orchestrator.runs.store.objects.address import BucketAddress
from ops_orchestrator.runs.store.objects.bucket import Bucket
from ops_orchestrator.runs.store.objects.fetching import fetched
from ops_orchestrator.runs.store.opening import open_store
from ops_orchestrator.runs.store.protocols import RunStore
from ops_orchestrator.runs.verification import verify_run

OpenElsewhere = Callable[[], RunStore]


@pytest.fixture(params=["moto", pytest.param("seaweedfs", marks=pytest.mark.slow)])
def bucket(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an object store, to which this process is set."""
    url: str = request.getfixturevalue(request.param)
    for name, value in credentials_for(url).items():
        monkeypatch.setenv(name, value)
    return url


@pytest.fixture
def prefix() -> str:
    return new_prefix()


@pytest.fixture
def open_elsewhere(bucket: str, tmp_path: Path, prefix: str) -> Iterator[OpenElsewhere]:
    """Opens the store as another machine does, which shares nothing but the bucket."""
    assert bucket
    with ExitStack() as opened:
        numbers = iter(range(100))

        def open_it() -> RunStore:
            settings = bucket_settings(tmp_path / f"machine-{next(numbers)}", prefix, runs_patience_s=5)
            return opened.enter_context(closing(open_store(settings)))

        yield open_it


@dataclass(frozen=True)
class PausedWriter:
    """A process that has written the first step of a run."""

    process: Popen[str]
    before: FaultyStore

    def go_on(self) -> None:
        """Have it write the rest."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def pause(self) -> None:
        """Stop it, wherever it is."""
        self.process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        """Let it go on where it was."""
        self.process.send_signal(signal.SIGCONT)

    def said(self) -> str:
        """The next line that it says."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


@contextmanager
def writer_at(bucket: str, folder: Path, prefix: str) -> Iterator[PausedWriter]:
    """A writer with a network of its own to the bucket, which has written its first step."""
    command = [sys.executable, str(ROOT / "tests" / "paused_writer.py"), str(folder), prefix]
    with faulty(bucket) as before:
        variables = environment(**credentials_for(before.url))
        with Popen(command, env=variables, stdin=PIPE, stdout=PIPE, text=True) as process:
            writer = PausedWriter(process, before)
            try:
                assert writer.said() == "written"
                yield writer
            finally:
                process.kill()


@asynccontextmanager
async def taken_over(store: RunStore) -> AsyncIterator[OpenRun]:
    """The run, as it goes on in `store`."""
    reopened = await store.take_over(RUN_ID)
    work, _ = first_events("alpha", "beta")
    recorder = Recorder(reopened.writer, reopened.state, reopened.results)
    await recorder.go_on(RunResumed(attempt=2, files=files_to_move(reopened.state)))
    await recorder.go_on(RunStarted(executor="elsewhere", attempt=2))
    yield OpenRun(work, recorder, reopened.writer)


async def complete_second(run: OpenRun) -> None:
    """Write the second step, and wait until it is published."""
    await run.complete(2)
    await run.recorder.durable()


def is_whole(store: RunStore) -> bool:
    """Whether nothing in the run contradicts anything else in it."""
    return verify_run(store.run(RUN_ID)).findings == ()


@pytest.mark.parametrize("on_its_way", ["nothing", "result.json", "logs.jsonl"])
async def test_writer_that_is_paused_past_its_takeover_stops_without_a_trace(
    bucket: str, tmp_path: Path, prefix: str, open_elsewhere: OpenElsewhere, on_its_way: str
) -> None:
    with writer_at(bucket, tmp_path / "paused", prefix) as writer:
        held = writer.before.stage(Fault("held", ending=f"/{on_its_way}"))
        if on_its_way != "nothing":
            writer.go_on()
            held.met.wait()
        writer.pause()
        store = open_elsewhere()
        async with taken_over(store) as run:
            await run.complete(2, answer="new")
            await run.recorder.end(RunEnded(status="completed"))
        before = objects_at(bucket, prefix)
        held.released.set()
        writer.wake()
        writer.go_on()
        said = await asyncio.to_thread(writer.said), await asyncio.to_thread(writer.said)
    assert said == ("fenced", "left []")
    assert is_whole(store)
    assert store.results(RUN_ID).results["beta"]["answer"] == "new"
    after = objects_at(bucket, prefix)
    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize("on_its_way", ["results.json", "run.json"])
async def test_end_that_a_paused_writer_has_published_in_part_is_written_by_whoever_recovers_it(
    bucket: str, tmp_path: Path, prefix: str, open_elsewhere: OpenElsewhere, on_its_way: str
) -> None:
    with writer_at(bucket, tmp_path / "paused", prefix) as writer:
        held = writer.before.stage(Fault("held", ending=f"/{on_its_way}"))
        writer.go_on()
        held.met.wait()
        writer.pause()
        store = open_elsewhere()
        with pytest.raises(ConflictError, match="had ended"):
            await store.take_over(RUN_ID)
        assert await asyncio.to_thread(store.recover) == {RUN_ID: None}
        before = objects_at(bucket, prefix)
        held.released.set()
        writer.wake()
        # It ends as its log said before, with the very same bytes.
        assert await asyncio.to_thread(writer.said) == "completed"
    assert is_whole(store)
    assert objects_at(bucket, prefix) == before
    assert store.results(RUN_ID).results["beta"]["answer"] == "old"


async def test_run_that_is_recovered_while_its_writer_is_paused_stays_interrupted(
    bucket: str, tmp_path: Path, prefix: str, open_elsewhere: OpenElsewhere
) -> None:
    with writer_at(bucket, tmp_path / "paused", prefix) as writer:
        writer.pause()
        store = open_elsewhere()
        assert await asyncio.to_thread(store.recover) == {RUN_ID: None}
        writer.wake()
        writer.go_on()
        assert await asyncio.to_thread(writer.said) == "fenced"
    assert (store.record(RUN_ID).status, is_whole(store)) == ("interrupted", True)


async def test_one_of_those_who_take_a_run_over_at_once_goes_on_with_it(open_elsewhere: OpenElsewhere) -> None:
    first, *others = [open_elsewhere() for _ in range(4)]
    await (await begin(first, "alpha", "beta")).die()

    async def take(store: RunStore) -> OpenRun | None:
        try:
            async with taken_over(store) as run:
                return run
        except ConflictError:
            return None

    taken = [run for run in await asyncio.gather(*map(take, others)) if run is not None]
    assert len(taken) == 1
    await taken[0].complete(1)
    await taken[0].complete(2)
    await taken[0].recorder.end(RunEnded(status="completed"))
    assert is_whole(first)


async def test_one_of_two_who_write_the_very_same_line_goes_on(
    prefix: str, tmp_path: Path, open_elsewhere: OpenElsewhere
) -> None:
    await (await begin(open_elsewhere(), "alpha")).die()
    bucket = Bucket(BucketAddress.of(prefix), patience_s=5)
    with ThreadPoolExecutor(1) as puts:
        both = [(tmp_path / name, fetched(bucket, tmp_path / name, RUN_ID, puts)) for name in ("one", "two")]
        for folder, publication in both:
            log = folder / RUN_ID / LOGS
            seq = log.read_bytes().count(b"\n") + 1
            line = Line(RUN_ID, seq, b'{"seq":%d,"event":"run.resumed"}\n' % seq, is_last=False)
            log.write_bytes(log.read_bytes() + line.data)
            publication.wrote(line)
        assert len(both[0][1].publish()) == 1
        with pytest.raises(FencedError):
            both[1][1].publish()


async def test_run_that_was_written_to_meanwhile_is_looked_at_again_before_it_is_taken_over(
    open_elsewhere: OpenElsewhere,
) -> None:
    first, second = open_elsewhere(), open_elsewhere()
    run = await begin(first, "alpha", "beta")
    reopened = await second.take_over(RUN_ID)
    await run.complete(1)
    await run.recorder.durable()
    recorder = Recorder(reopened.writer, reopened.state, reopened.results)
    with pytest.raises(ConflictError):
        await recorder.go_on(RunResumed(attempt=2))
    await reopened.writer.abandon()
    async with taken_over(second) as again:
        assert [step.status for step in again.recorder.record.steps] == ["completed", "pending"]
        await again.complete(2)
        await again.recorder.end(RunEnded(status="completed"))
    with pytest.raises(FencedError):
        await complete_second(run)
    await run.recorder.abandon()
    assert is_whole(second)


async def test_what_a_fenced_writer_left_of_a_step_is_replaced_and_counts_for_nothing(
    bucket: str, prefix: str, open_elsewhere: OpenElsewhere
) -> None:
    store = open_elsewhere()
    run = await begin(store, "alpha")
    for name in ("request.json", "result.json", "answer-of-an-earlier-attempt.json"):
        put_object(bucket, prefix, f"{RUN_ID}/steps/1-alpha/{name}", b'{"of": "another attempt"}')
    await run.complete(1, answer="ours")
    await run.recorder.end(RunEnded(status="completed"))
    assert is_whole(store)
    assert store.results(RUN_ID).results["alpha"]["answer"] == "ours"
    assert "steps/1-alpha/answer-of-an-earlier-attempt.json" not in store.run(RUN_ID).files()


async def test_run_that_is_removed_while_its_writer_is_paused_does_not_come_back(
    bucket: str, prefix: str, open_elsewhere: OpenElsewhere
) -> None:
    first, second = open_elsewhere(), open_elsewhere()
    run = await begin(first, "alpha", "beta")
    await run.complete(1)
    await run.recorder.durable()
    await asyncio.to_thread(second.find_unlisted)
    await asyncio.to_thread(second.recover)
    assert await asyncio.to_thread(second.remove, RUN_ID)
    with pytest.raises(FencedError):
        await run.recorder.end(RunEnded(status="completed"))
    await run.recorder.abandon()
    assert objects_at(bucket, prefix) == {}
