"""What a recorder says of a run whose writer fails."""

from collections.abc import Sequence
from pathlib import Path

from run_records import first_events, wait_for

from ops_orchestrator.runs.events import Event, RunEnded, StepStarted
from ops_orchestrator.runs.record import Results, RunRecord
from ops_orchestrator.runs.recorder import Recorder
from ops_orchestrator.runs.run_file import RunFile
from ops_orchestrator.runs.run_state import RunState


class FullDisk:
    """A RunWriter that takes events and writes none after the first `written`."""

    def __init__(self, written: int) -> None:
        self.staging = Path()
        self.accepted = self.written = written
        self.has_shown_end = False

    async def append(self, event: Event, files: Sequence[RunFile] = ()) -> None:
        """See RunWriter."""

    async def go_on(self, record: RunRecord, event: Event) -> None:
        """See RunWriter."""

    async def end(self, event: Event, record: RunRecord, results: Results, results_bytes: int) -> None:
        """See RunWriter."""

    async def durable(self) -> None:
        """See RunWriter."""

    async def finish(self, ended: RunEnded) -> RunRecord:
        """See RunWriter."""
        raise NotImplementedError

    async def abandon(self) -> None:
        """See RunWriter."""


def test_events_that_were_not_written_are_taken_back_from_the_record() -> None:
    _, events = first_events("alpha", "beta")
    recorder = Recorder(FullDisk(written=3), RunState.of(events))

    async def work() -> None:
        for step in ("alpha", "beta"):
            await recorder.add(StepStarted(step=step, module=step, url="http://a", ready_timeout_s=0.0))

    wait_for(work())
    assert [step.status for step in recorder.record.steps] == ["running", "running"]
    recorder.end_in_memory(RunEnded(status="errored", error={"code": "FULL", "message": "no room"}))
    assert (recorder.record.status, [step.status for step in recorder.record.steps]) == ("errored", ["interrupted", "pending"])
