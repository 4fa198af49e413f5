"""Writes what became of the points of a sweep, behind the back of those who run them, many points at once."""

import asyncio
import time
from collections.abc import Callable

from ops_orchestrator.errors import StoreError
from ops_orchestrator.runs.active_run import within
from ops_orchestrator.runs.sweeps.points_log import PointOutcome
from ops_orchestrator.runs.sweeps.state import SweepState
from ops_orchestrator.runs.sweeps.sweep_place import SweepWriter


class PointsWriter:
    """Writes in `folder` what it is given, and the state of the sweep soon after a change, for other processes."""

    def __init__(self, folder: SweepWriter, state: Callable[[], SweepState]) -> None:
        self._folder = folder
        self._state = state
        self._waiting: list[PointOutcome] = []
        self._has_news = asyncio.Event()
        self._closing = asyncio.Event()
        self._is_behind = False
        self._saved_at = time.monotonic()
        self.failure: StoreError | None = None
        """Why nothing can be written any more."""

    def put(self, outcome: PointOutcome) -> None:
        """Have it written soon, and the state with it."""
        self._waiting.append(outcome)
        self.changed()

    def changed(self) -> None:
        """Have the state written soon, since it is not what it was."""
        self._is_behind = True
        self._has_news.set()

    def close(self) -> None:
        """Let `write` return when it has written what waits."""
        self._closing.set()
        self._has_news.set()

    async def write(self) -> None:
        """Write what comes until the writer is closed, or fails."""
        while self._waiting or not self._closing.is_set():
            # Also without news: the last change may be too young to have been saved.
            await within(self._has_news, self._until_saved_s)
            self._has_news.clear()
            try:
                await self._add()
                await self._save_when_due()
            except StoreError as error:
                self.failure = error
                return
            await within(self._closing, self._folder.pace.gather_s)

    async def _add(self) -> None:
        waiting, self._waiting = self._waiting, []
        if waiting:
            await asyncio.to_thread(self._folder.add, waiting)

    async def _save_when_due(self) -> None:
        if self._is_behind and time.monotonic() >= self._saved_at + self._folder.pace.save_s:
            self._is_behind = False
            await asyncio.to_thread(self._folder.save, self._state())
            self._saved_at = time.monotonic()

    @property
    def _until_saved_s(self) -> float | None:
        """How long until the state has to be saved; None while what is saved is true."""
        return max(self._saved_at + self._folder.pace.save_s - time.monotonic(), 0.0) if self._is_behind else None
