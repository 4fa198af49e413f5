"""How late the event loop is: whatever holds it up holds up every run and every answer."""

import asyncio
from typing import Final

from ops_orchestrator.service.metrics.families import LOOP_LAG
from ops_orchestrator.service.metrics.tally import Tally

_EVERY_S: Final = 0.5


class LoopLag:
    """Measures in `tally` how late the running event loop does what is planned. `start` it there, and `stop` it."""

    def __init__(self, tally: Tally, every_s: float = _EVERY_S) -> None:
        self._tally = tally
        self._every_s = every_s
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        tally.begin(LOOP_LAG)

    def start(self) -> None:
        """Measure from now on."""
        loop = asyncio.get_running_loop()
        self._due = loop.time() + self._every_s
        self._timer = loop.call_at(self._due, self._measure, loop)

    def stop(self) -> None:
        """Measure no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _measure(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._tally.lock:
            self._tally.observe(LOOP_LAG, loop.time() - self._due)
        # A loop that was late once is not counted late again for the same reason.
        self._due = loop.time() + self._every_s
        self._timer = loop.call_at(self._due, self._measure, loop)
