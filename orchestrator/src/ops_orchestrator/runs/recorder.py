"""Keeps a run as it happens: numbers its events, folds them, and hands them to the store's writer."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ops_orchestrator.runs.events import Event, Occurrence, RunEnded, RunResumed, RunStarted, StepCompleted, now
from ops_orchestrator.runs.record import RESULT, Results, RunRecord, StepResults, artifacts_folder
from ops_orchestrator.runs.run_file import RunFile
from ops_orchestrator.runs.run_state import RunState, ended, fingerprints_of
from ops_orchestrator.runs.store.plain_file import read_below
from ops_orchestrator.runs.store.protocols import RunWriter


class Recorder:
    """One run: `record` and `results` as of now, and as they are on disk once the run is over."""

    def __init__(self, writer: RunWriter, state: RunState, results: Mapping[str, StepResults] | None = None) -> None:
        self.run_id = state.record.run_id
        self._writer = writer
        self._state = state
        self._results = dict(results or {})
        self._stored: RunRecord | None = None
        self._final: Results | None = None

    @property
    def record(self) -> RunRecord:
        """The record of the run."""
        return self._stored or self._state.record

    @property
    def is_ending(self) -> bool:
        """Whether the end may be found in the store, while `record` does not tell of it yet."""
        return self._writer.has_shown_end and self._stored is None

    @property
    def wanted_since(self) -> str:
        """See RunState."""
        return self._state.wanted_since

    @property
    def results(self) -> Results:
        """The results of the steps that are completed."""
        if self._final is not None:
            return self._final
        record = self.record
        completed = {step.id for step in record.steps if step.status == "completed"}
        return Results.of(record, {step: results for step, results in self._results.items() if step in completed})

    @property
    def results_bytes(self) -> int:
        """How many bytes the results take as JSON."""
        return sum(file.size for path, file in self._state.files.items() if path.endswith(f"/{RESULT}"))

    @property
    def folder(self) -> Path:
        """Where the run is kept."""
        return self._writer.staging.parent

    @property
    def staging(self) -> Path:
        """Where fetched artifacts wait until their step is completed."""
        return self._writer.staging

    async def go_on(self, what: RunResumed | RunStarted) -> None:
        """Write that the run goes on, or that it has its turn, also in its record. Raises StoreError."""
        event = self._event(what)
        self._state.apply(event)
        try:
            await self._writer.go_on(self.record, event)
        except asyncio.CancelledError:
            if self._writer.accepted < event.seq:
                self._state = self._state.after(event.seq - 1)
            raise

    async def add(self, what: Occurrence, files: Sequence[RunFile] = (), results: StepResults | None = None) -> None:
        """Write what happened, and the files that it names; `results` are those of a step that it completes.

        Raises StoreError.
        """
        event = self._event(what)
        try:
            await self._writer.append(event, files)
        except asyncio.CancelledError:
            # It was waited for, and the log has it all the same.
            if self._writer.accepted >= event.seq:
                self._take_in(event, results)
            raise
        self._take_in(event, results)

    def ending(self, what: RunEnded) -> tuple[RunRecord, Results]:
        """Record and results as they are when the run ends now."""
        record = ended(self.record, replace(what, fingerprints=self._state.fingerprints(what.status)), now())
        return record, Results.of(record, self._results)

    async def end(self, what: RunEnded) -> None:
        """Write the end of the run; returns when it is durable, and only then says that the run is over. Raises StoreError."""
        event = self._event(replace(what, fingerprints=self._state.fingerprints(what.status)))
        assert isinstance(event.what, RunEnded)  # noqa: S101  # see above
        final = ended(self.record, event.what, event.at)
        results = Results.of(final, self._results)
        await self._writer.end(event, final, results, self.results_bytes)
        self._stored, self._final = final, results

    def end_in_memory(self, what: RunEnded) -> None:
        """The run is over, although that cannot be written: see `finish`. What is not in its log did not happen."""
        written = self._state.after(self._writer.written).record
        what = replace(what, fingerprints=fingerprints_of(written, what.status))
        self._stored = ended(written, what, now())

    async def finish(self, what: RunEnded) -> None:
        """End the run as far as it was written, which is what counts from now on. Raises StoreError; may be repeated then."""
        self._stored = await self._writer.finish(what)

    async def leave(self) -> None:
        """Let go of the run, which is not over. Raises StoreError."""
        await self._writer.durable()
        await self._writer.abandon()

    async def abandon(self) -> None:
        """Let go of the run as it is."""
        await self._writer.abandon()

    async def durable(self) -> None:
        """Wait until all that happened so far is on disk. Raises StoreError."""
        await self._writer.durable()

    def read_artifact(self, step_id: str, name: str, limit: int) -> bytes:
        """An artifact of a completed step, once `durable` returned. See ReadArtifact."""
        return read_below(self.folder, f"{artifacts_folder(step_id)}/{name}", limit)

    def _take_in(self, event: Event, results: StepResults | None) -> None:
        self._state.apply(event)
        if isinstance(event.what, StepCompleted) and results is not None:
            self._results[event.what.step] = results

    def _event(self, what: Occurrence) -> Event:
        return Event(run_id=self.run_id, seq=self._state.seq + 1, what=what)
