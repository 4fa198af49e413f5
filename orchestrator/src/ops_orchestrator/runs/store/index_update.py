"""Brings an index up to date with the run folders: at the start, and whenever the index was lost."""

import math
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from ops_orchestrator.errors import StoreError
from ops_orchestrator.runs.run_filter import RunFilter
from ops_orchestrator.runs.store.protocols import RunIndex, RunSource

_MOST_AT_ONCE: Final = 500
_MOST_DAMAGED: Final = 1000
_RUNS_A_BATCH: Final = 50
_REPORT_EVERY_S: Final = 2.0
_TRY_AGAIN_S: Final = 1.0
_PAUSE: Final = 4.0
"""Of the time that is read for in the background: new runs took 1.4 times as long with pauses as long as the reading."""


@dataclass(frozen=True)
class Progress:
    """How many of the runs that the index did not know were read."""

    done: int
    total: int


Report = Callable[[Progress], None]
"""Takes the progress, in whichever thread reads the runs."""


class _Index(RunIndex, Protocol):
    def unknown(self, run_ids: Sequence[str]) -> list[str]: ...

    @property
    def was_complete(self) -> bool: ...

    def complete(self) -> None: ...


class IndexUpdate:
    """Reads the runs of `source` that `index` does not know.

    A few are read at once, and many in a thread, if that is wanted, with pauses, so that runs under way go on. Several
    processes share the work: a batch that another one has read is left out.
    """

    def __init__(self, source: RunSource, index: _Index, report: Report | None) -> None:
        self._source = source
        self._index = index
        self._report = report
        self._in_background = False
        self._working = threading.Lock()
        self._is_behind = True
        self._done = threading.Event()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    @property
    def is_done(self) -> bool:
        """Whether the index knows all runs."""
        return self._done.is_set()

    def begin(self, *, in_background: bool) -> None:
        """Bring the index up to date, or begin to. Raises OSError, StoreError."""
        self._in_background = in_background
        self._start_over()

    def again(self) -> None:
        """Start over, since the index was lost. Raises OSError, StoreError when the work cannot be done later."""
        try:
            self._start_over()
        except (OSError, StoreError):
            if not self._in_background:
                raise
            self._leave_to_a_thread()

    def wait(self, seconds: float) -> bool:
        """Wait until the index knows all runs; whether it does."""
        return self._done.wait(seconds)

    def stop(self) -> None:
        """End the work in the background."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _start_over(self) -> None:
        self._is_behind = True
        self._done.clear()
        # Whoever is at it already sees that the index is behind, and does more.
        while self._is_behind and not self._stopping.is_set() and self._working.acquire(blocking=False):
            try:
                if self._in_background and len(self._unknown()) > _MOST_AT_ONCE:
                    self._leave_to_a_thread()
                    return
                self._catch_up(pauses=False)
            finally:
                self._working.release()

    def _leave_to_a_thread(self) -> None:
        thread = threading.Thread(target=self._work_in_background, name="run-index", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work_in_background(self) -> None:
        while self._is_behind and not self._stopping.is_set():
            try:
                with self._working:
                    self._catch_up(pauses=True)
            except (OSError, StoreError):
                self._stopping.wait(_TRY_AGAIN_S)

    def _catch_up(self, *, pauses: bool) -> None:
        self._is_behind = False
        try:
            self._reread_damaged()
            self._read(self._unknown(), pauses=pauses)
        except (OSError, StoreError):
            self._is_behind = True
            raise
        if not self._is_behind and not self._stopping.is_set():
            self._index.complete()
            self._done.set()

    def _unknown(self) -> list[str]:
        """The runs that came since the index was written, sorted; those that went are dropped from it."""
        if not self._source.lists_at_start and self._index.was_complete:
            return []
        # In this order: a run that is made meanwhile is not taken for one that is gone.
        known = self._index.run_ids()
        present = self._source.run_ids()
        if gone := known - present:
            self._index.drop(gone)
        return sorted(present - known)

    def _reread_damaged(self) -> None:
        """Runs may have been repaired while nobody looked."""
        damaged = self._index.page(_MOST_DAMAGED, RunFilter(status="damaged"))
        read = (self._source.read(run.position.run_id, run.version) for run in damaged)
        self._index.learn([run for run in read if run is not None])

    def _read(self, run_ids: list[str], *, pauses: bool) -> None:
        # Neighbours stand together in the index. The batches are shuffled, so that two processes rarely read the same one.
        starts = list(range(0, len(run_ids), _RUNS_A_BATCH))
        random.shuffle(starts)
        report_at = time.monotonic() if len(run_ids) > _MOST_AT_ONCE else math.inf
        for done, start in enumerate(starts):
            began = time.monotonic()
            unknown = self._index.unknown(run_ids[start : start + _RUNS_A_BATCH])
            read = (self._source.read(run_id, before=None) for run_id in unknown)
            self._index.learn([run for run in read if run is not None])
            now = time.monotonic()
            if self._report is not None and now >= report_at:
                report_at = now + _REPORT_EVERY_S
                self._report(Progress(done * _RUNS_A_BATCH, len(run_ids)))
            if self._stopping.wait(_PAUSE * (now - began) if pauses else 0):
                return
