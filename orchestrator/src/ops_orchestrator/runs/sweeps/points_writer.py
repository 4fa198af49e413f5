"""Writes what became of the points of a sweep, behind the back of those who run them, many points at once."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from ops_orchestrator.errors import StoreError
from ops_orchestrator.runs.active_run import within
from ops_orchestrator.runs.sweeps.points_log import PointOutcome
from ops_orchestrator.runs.sweeps.state import SweepState
from ops_orchestrator.runs.sweeps.sweep_folder import SweepFolder

_SAVE_EVERY_S: Final = 1.0
# A hop to a thread for each point would cost more than the point's line; a line that is lost is found again by its run.
_GATHER_S: Final = 0.05


class PointsWriter:
    """Writes in `folder` what it is given, and about each second the state of the sweep, for readers in other processes."""

    def __init__(self, folder: SweepFolder, state: Callable[[], SweepState]) -> None:
        self._folder = folder
        self._state = state
        self._waiting: list[PointOutcome] = []
        self._has_news = asyncio.Event()
        self._closing = asyncio.Event()
        self._saved_at = time.monotonic()
        self.failure: StoreError | None = None
        """Why nothing can be written any more."""

    def put(self, outcome: PointOutcome) -> None:
        """Have it written soon."""
        self._waiting.append(outcome)
        self._has_news.set()

    def close(self) -> None:
        """Let `write` return when it has written what waits."""
        self._closing.set()
        self._has_news.set()

    async def write(self) -> None:
        """Write what comes until the writer is closed, or fails."""
        while self._waiting or not self._closing.is_set():
            await self._has_news.wait()
            self._has_news.clear()
            waiting, self._waiting = self._waiting, []
            try:
                await asyncio.to_thread(self._folder.add, waiting)
                await self._save_now_and_then()
            except StoreError as error:
                self.failure = error
                return
            await within(self._closing, _GATHER_S)

    async def _save_now_and_then(self) -> None:
        if time.monotonic() >= self._saved_at + _SAVE_EVERY_S:
            await asyncio.to_thread(self._folder.save, self._state())
            self._saved_at = time.monotonic()
