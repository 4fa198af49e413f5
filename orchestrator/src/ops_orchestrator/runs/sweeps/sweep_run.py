"""One sweep under way: its points are run, several at once, and what became of each is noted."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import chain, repeat
from typing import Any, Final

import structlog

from ops_orchestrator.errors import BusyError, DamagedRunError, FencedError, NoRoomError, RequestError, StoreError
from ops_orchestrator.modules.catalogue import Catalogue
from ops_orchestrator.planning.sweep import Point, SweepRequest, point_at
from ops_orchestrator.runs.events import now
from ops_orchestrator.runs.record import RunRecord
from ops_orchestrator.runs.sweeps.checked_points import checked_points, listed_results
from ops_orchestrator.runs.sweeps.derived_files import write_derived
from ops_orchestrator.runs.sweeps.point_run import cancel_runs, first_run, point_run
from ops_orchestrator.runs.sweeps.points_log import PointOutcome, latest, over_in
from ops_orchestrator.runs.sweeps.points_writer import PointsWriter
from ops_orchestrator.runs.sweeps.runs_of_sweeps import RunsOfSweeps
from ops_orchestrator.runs.sweeps.state import Counts, SweepState, SweepStatus
from ops_orchestrator.runs.sweeps.sweep_place import Cancellation, SweepWriter
from ops_orchestrator.runs.sweeps.table import table_of
from ops_orchestrator.runs.under_way import RunUnderWay

# Between two attempts to get a place among the runs.
_FIRST_PAUSES_S: Final = (0.05, 0.1, 0.2)
_PAUSE_S: Final = 0.5
# For a store or a database that is away for a while; it is tried again with the same key.
_PATIENCE_S: Final = 120.0
# How runs end that the end of the sweep ends.
_OWN_ENDS: Final = ("cancelled", "interrupted")
_WITH_TABLE: Final = ("completed", "failed", "cancelled")

_log: Any = structlog.get_logger("ops_orchestrator.sweep")


class SweepRun:
    """Executes a sweep in its `folder`, whose state is `begun`, with the modules of `catalogue`."""

    def __init__(
        self,
        request: SweepRequest,
        begun: SweepState,
        folder: SweepWriter,
        through: RunsOfSweeps,
        catalogue: Catalogue,
    ) -> None:
        self._request = request
        self._catalogue = catalogue
        self._state = begun
        self._folder = folder
        self._runs = through.runs
        self._store = through.store
        self._at_once = min(request.spec.concurrency or through.at_once, through.at_once)
        self._is_left = through.leaves_sweeps
        self._places = through.places
        self._under_way: set[RunUnderWay] = set()
        self._counts = Counts(total=request.size)
        self._done_before = 0
        self._began = time.monotonic()
        self._writer = PointsWriter(folder, lambda: self.state)
        self._cancelled: Cancellation | None = None
        self._broken: Exception | None = None
        self._over = asyncio.Event()
        self.is_unwritten = False
        """Whether the sweep is over and its folder does not say how it ended, since that could not be written."""
        self.is_fenced = False
        """Whether another process goes on with the sweep, and this one has nothing more to say of it."""

    @property
    def state(self) -> SweepState:
        """How far the sweep is."""
        if self._over.is_set():
            return self._state
        counts = self._counts.model_copy(update={"running": len(self._under_way)})
        return self._state.model_copy(update={"points": counts, **self._speed()})

    async def wait(self, seconds: float | None = None) -> None:
        """Wait until the sweep is over, at most `seconds`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._over.wait()

    async def execute(self) -> None:
        """Execute the sweep to its end, or until the service stops; when this returns, others may go on with it."""
        try:
            await self._run(await asyncio.to_thread(self._left))
        except Exception as error:  # noqa: BLE001  # whatever it is, the sweep has to end
            self._broken = error
        await self._end()

    async def _run(self, left: Iterator[Point]) -> None:
        watching, writing = asyncio.create_task(self._watch()), asyncio.create_task(self._writer.write())
        try:
            await asyncio.gather(*(self._work(left) for _ in range(min(self._at_once, self._counts.pending))))
            if self._cancelled is not None and self._state.was_taken_over:
                await cancel_runs(self._runs, self._store, self._state.sweep_id, self._cancelled)
        finally:
            watching.cancel()
            self._writer.close()
            await writing

    def _left(self) -> Iterator[Point]:
        """The points that are to be run: with a new attempt also those that failed."""
        self._cancelled = self._folder.cancelled
        if self._state.was_taken_over:
            over = over_in(self._folder.lines(), self._request.size, self._state.attempt)
        else:
            over = dict.fromkeys(self._completed_before() if self._state.attempt > 1 else (), True)
        self._done_before = len(over)
        completed = sum(over.values())
        self._counts = Counts(total=self._request.size, completed=completed, failed=len(over) - completed)
        return (point_at(self._request, number) for number in self._request.numbers if number not in over)

    def _completed_before(self) -> frozenset[int]:
        """The points that an earlier attempt completed, by number, as their runs say it."""
        known = set[tuple[str | None, str | None]]()
        if self._places is None:
            self._store.find_unlisted()
        else:
            # The database knows all runs, of which there may be more than can be read.
            known = listed_results(self._store, self._state.sweep_id)
        outcomes = latest(self._folder.lines(), self._request.numbers)
        checked = checked_points(self._store, self._state.sweep_id, outcomes.values(), known)
        self._folder.add(checked.corrected)
        self._state = self._state.model_copy(update={"notes": (*self._state.notes, *checked.notes)})
        return checked.completed

    async def _work(self, left: Iterator[Point]) -> None:
        """Run points as long as there are some, and as long as nothing ends the sweep."""
        for point in left:
            if self._is_ending:
                return
            try:
                outcome = await self._patiently(point)
            except NoRoomError as error:  # for the other points neither
                self._broken = self._broken or error
                return
            except (DamagedRunError, RequestError) as error:
                outcome = PointOutcome.refused(point.number, str(error))
            except Exception as error:  # noqa: BLE001  # the store, or a bug: no other point would fare better
                self._broken = self._broken or error
                return
            if outcome is not None:
                self._note(outcome)

    async def _patiently(self, point: Point) -> PointOutcome | None:
        """See `_outcome`: tried again for a while when other processes go on with runs whatever is away here."""
        until = time.monotonic() + _PATIENCE_S
        while True:
            try:
                return await self._outcome(point)
            except StoreError as error:
                if self._places is None or isinstance(error, DamagedRunError) or self._is_ending or time.monotonic() > until:
                    raise
                _log.warning("sweep.waits", sweep_id=self._state.sweep_id, message=str(error))
            await asyncio.sleep(_PAUSE_S)

    async def _outcome(self, point: Point) -> PointOutcome | None:
        """What becomes of a point; None when it has to be run again, since the sweep ends before."""
        run = await self._started(point)
        if run is None:
            return None
        if isinstance(run, RunRecord):
            results = await asyncio.to_thread(self._store.results, run.run_id)
            return PointOutcome.of(point.number, run, results)
        self._under_way.add(run)
        self._writer.changed()
        try:
            if self._cancelled is not None:
                run.cancel(*self._cancelled)
            await run.wait()
        finally:
            self._under_way.discard(run)
            self._writer.changed()
        ended = run.record
        if not ended.is_over or (self._is_ending and ended.status in _OWN_ENDS):
            return None
        return PointOutcome.of(point.number, ended, run.results)

    async def _started(self, point: Point) -> RunUnderWay | RunRecord | None:
        """The run of a point; None when the sweep ends while it waits for a place among the runs."""
        for pause_s in chain(_FIRST_PAUSES_S, repeat(_PAUSE_S)):
            if self._is_ending:
                break
            try:
                if self._places is not None:
                    await self._places.take_now()
                elif self._state.attempt == 1:
                    return await first_run(self._runs, self._state, point, self._catalogue)
                return await point_run(self._runs, self._store, self._state, point, self._catalogue)
            except BusyError:
                await asyncio.sleep(pause_s)
        return None

    def _note(self, outcome: PointOutcome) -> None:
        field = "completed" if outcome.status == "completed" else "failed"
        self._counts = self._counts.model_copy(update={field: getattr(self._counts, field) + 1})
        self._writer.put(replace(outcome, attempt=self._state.attempt))

    @property
    def _is_ending(self) -> bool:
        ends = (self._cancelled, self._broken, self._writer.failure)
        return self._runs.stopping or any(end is not None for end in ends)

    async def _watch(self) -> None:
        """Cancel the sweep when somebody wants that, in whatever process."""
        while (cancelled := await asyncio.to_thread(lambda: self._folder.cancelled)) is None:  # noqa: ASYNC110  # it may be another process
            await asyncio.sleep(self._folder.pace.look_s)
        self._cancelled = cancelled
        for run in tuple(self._under_way):
            run.cancel(*cancelled)

    async def _end(self) -> None:
        """Write the end, and let go of the sweep. What cannot be written leaves it to be gone on with."""
        ended = self._ended()
        try:
            ended = await asyncio.to_thread(self._write_end, ended)
        except FencedError as error:
            _log.warning("sweep.fenced", sweep_id=ended.sweep_id, message=str(error))
            self.is_fenced = True
            self._folder.release()
            self._over.set()
            return
        except Exception as error:  # noqa: BLE001  # the edge
            self._broken = self._broken or error
            ended = self._ended()
            self.is_unwritten = not await asyncio.to_thread(self._is_saved, ended)
        if (broken := self._broken or self._writer.failure) is not None:
            _log.error("sweep.errored", sweep_id=ended.sweep_id, exc_info=broken)
        self._state = ended
        self._folder.release()
        self._over.set()

    def _write_end(self, ended: SweepState) -> SweepState:
        if isinstance(fenced := self._broken or self._writer.failure, FencedError):
            raise fenced
        if ended.status in _WITH_TABLE:
            outcomes = latest(self._folder.lines(), self._request.numbers)
            notes = write_derived(self._folder, table_of(ended.sweep_id, self._request, outcomes))
            ended = ended.model_copy(update={"notes": (*ended.notes, *notes)})
        if not (ended.status == "interrupted" and self._is_left):
            self._folder.save(ended)
        self._folder.settle()
        return ended

    def _is_saved(self, ended: SweepState) -> bool:
        try:
            self._folder.save(ended)
        except StoreError:
            return False
        return True

    def _ended(self) -> SweepState:
        status, error = self._ending()
        counts = self._counts
        return self._state.model_copy(
            update={"status": status, "error": error, "points": counts, "finished_at": now()}
            | self._speed()
            | {"seconds_left": None}
        )

    def _ending(self) -> tuple[SweepStatus, dict[str, Any] | None]:
        """How the sweep ends, and why it could not go on."""
        go_on = f"`ops sweep resume {self._state.sweep_id}` goes on with it"
        broken = self._broken or self._writer.failure
        if broken is not None:
            message = f"the sweep could not go on: {broken}; when that is repaired, {go_on}"
            return "errored", {"code": "ORCHESTRATOR_ERROR", "message": message}
        if self._counts.pending == 0:
            return ("failed" if self._counts.failed else "completed"), None
        if self._cancelled is not None:
            return "cancelled", {"code": "CANCELLED", "message": f"the sweep was cancelled: {self._cancelled.by}; {go_on}"}
        return "interrupted", {"code": "INTERRUPTED", "message": f"the sweep was stopped before all points were run; {go_on}"}

    def _speed(self) -> dict[str, float | None]:
        """How many points are done in a second, and how long the rest takes at that rate."""
        done = self._counts.done - self._done_before
        elapsed_s = time.monotonic() - self._began
        if not done or elapsed_s <= 0:
            return {"points_per_s": None, "seconds_left": None}
        left = self._counts.total - self._counts.done
        return {"points_per_s": round(done / elapsed_s, 3), "seconds_left": round(left * elapsed_s / done, 1)}
