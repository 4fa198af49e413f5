"""What waits to be written is bounded in bytes, the results of a run that ends included."""

import asyncio
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from threading import Event as Signal

from run_records import GOOD, RUN_ID, first_events

from ops_orchestrator.runs.events import Event, RunEnded, StepStarted
from ops_orchestrator.runs.feed import Line
from ops_orchestrator.runs.record import Results
from ops_orchestrator.runs.run_file import RunFile
from ops_orchestrator.runs.run_state import RunState
from ops_orchestrator.runs.store.sqlite_index import SqliteIndex
from ops_orchestrator.runs.store.sync import NoSync
from ops_orchestrator.runs.store.writer import Writer

MODULES = b'{"modules": {}}\n'
LARGE = RunFile.of("artifacts/alpha/large.bin", bytes(50_000))
STARTED = StepStarted(step="alpha", module="alpha", url="http://a", ready_timeout_s=0.0)


class HeldThread:
    """A consumer that holds the file thread as long as `released` is not set."""

    def __init__(self) -> None:
        self.released = Signal()
        self.released.set()

    def take(self, lines: Sequence[Line]) -> None:  # noqa: ARG002  # see Consumer
        """See Consumer."""
        self.released.wait()


async def test_run_that_ends_with_large_results_leaves_no_room_for_others(tmp_path: Path) -> None:
    held = HeldThread()
    with closing(SqliteIndex.open(tmp_path)) as index, closing(Writer(index, NoSync(), [held], 150_000)) as writer:
        states, writers = {}, {}
        for run_id in (RUN_ID, GOOD):
            events = first_events(run_id=run_id)[1]
            states[run_id] = RunState.of(events)
            writers[run_id] = await writer.create(tmp_path / run_id, events, states[run_id].record, MODULES)
        held.released.clear()
        # Its line holds the thread, so that nothing is freed.
        await writers[GOOD].append(Event(run_id=GOOD, seq=3, what=STARTED))
        ended = Event(run_id=RUN_ID, seq=3, what=RunEnded(status="failed"))
        record = states[RUN_ID].record
        ending = asyncio.create_task(writers[RUN_ID].end(ended, record, Results.of(record, {}), 60_000))
        await asyncio.sleep(0)
        other = asyncio.create_task(writers[GOOD].append(Event(run_id=GOOD, seq=4, what=STARTED), [LARGE]))
        await asyncio.sleep(0)
        is_waiting = not other.done()
        held.released.set()
        await asyncio.gather(ending, other)
        await writers[GOOD].abandon()
    assert is_waiting
