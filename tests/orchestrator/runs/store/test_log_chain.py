"""Each line of a log carries the hash of the line before, whoever wrote either."""

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from run_records import RUN_ID, begin

from ops_contract import sha256_hex
from ops_orchestrator.runs.events import RunEnded, RunResumed, RunStarted, StepStarted
from ops_orchestrator.runs.feed import Line
from ops_orchestrator.runs.recorder import Recorder
from ops_orchestrator.runs.run_file import FileRef, RunFile
from ops_orchestrator.runs.store.folder import FolderStore

STARTED = StepStarted(step="alpha", module="alpha", url="http://a", ready_timeout_s=0.0)
FAILED = RunEnded(status="failed", error={"code": "X", "message": "broke"})


class Heard:
    """A consumer of all lines."""

    def __init__(self) -> None:
        self.text = b""

    def take(self, lines: Sequence[Line]) -> None:
        """See Consumer."""
        self.text += b"".join(line.data for line in lines)


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def store(tmp_path: Path, heard: Heard) -> Iterator[FolderStore]:
    with closing(FolderStore.open(tmp_path, [heard])) as store:
        yield store


def names_of_a_whole_chain(folder: Path) -> list[str]:
    """The events of a log, each of whose lines but the first refers to the line before."""
    lines = (folder / "logs.jsonl").read_bytes().splitlines()
    events = [json.loads(line) for line in lines]
    assert "previous_sha256" not in events[0]
    for (before, _), (_, event) in pairwise(zip(lines, events, strict=True)):
        assert event["previous_sha256"] == sha256_hex(before)
    return [event["event"].partition(".")[2] for event in events]


async def test_each_line_of_a_run_refers_to_the_line_before(store: FolderStore, heard: Heard) -> None:
    run = await begin(store)
    await run.complete(text="x" * 300_000)  # which is waited for
    await run.recorder.end(RunEnded(status="completed"))
    assert names_of_a_whole_chain(run.recorder.folder) == ["queued", "started", "started", "completed", "ended"]
    assert heard.text == store.document(RUN_ID, "logs.jsonl")


async def test_end_of_a_run_that_cannot_be_written_refers_to_the_last_line_that_was(store: FolderStore, heard: Heard) -> None:
    run = await begin(store)
    await run.recorder.add(STARTED)
    await run.recorder.add(STARTED, [RunFile(FileRef("artifacts/b", "0" * 64, 0), run.recorder.staging / "gone")])
    await run.writer.finish(FAILED)
    assert names_of_a_whole_chain(run.recorder.folder) == ["queued", "started", "started", "ended"]
    assert heard.text == store.document(RUN_ID, "logs.jsonl")


@pytest.mark.parametrize("torn", [b"", b'{"seq":4,"timest'])
async def test_end_of_a_run_that_was_left_refers_to_its_last_whole_line(store: FolderStore, torn: bytes) -> None:
    run = await begin(store)
    await run.complete()
    await run.die()
    folder = store.location(RUN_ID)
    with (folder / "logs.jsonl").open("ab") as file:
        file.write(torn)
    store.recover()
    assert names_of_a_whole_chain(folder) == ["queued", "started", "started", "completed", "ended"]


async def test_lines_of_a_resumed_run_go_on_from_its_end(store: FolderStore) -> None:
    run = await begin(store)
    await run.recorder.end(FAILED)
    again = await store.reopen(RUN_ID)
    recorder = Recorder(again.writer, again.state)
    await recorder.go_on(RunResumed(attempt=2))
    await recorder.go_on(RunStarted(executor="x", attempt=2))
    await recorder.end(FAILED)
    assert names_of_a_whole_chain(recorder.folder) == ["queued", "started", "ended", "resumed", "started", "ended"]


async def test_lines_of_a_run_that_was_taken_over_go_on_from_its_last_line(store: FolderStore) -> None:
    run = await begin(store)
    await run.complete()
    await run.die()
    again = await store.take_over(RUN_ID)
    recorder = Recorder(again.writer, again.state)
    await recorder.go_on(RunResumed(attempt=2))
    await recorder.end(FAILED)
    assert names_of_a_whole_chain(recorder.folder)[-3:] == ["completed", "resumed", "ended"]
