"""How many runs are executed at once, and how many wait for their turn."""

import asyncio
from typing import Protocol

from ops_orchestrator.errors import BusyError


class Turns(Protocol):
    """At most `at_once` runs have a turn; at most `most_waiting` wait for one, first come, first served."""

    async def take_now(self) -> bool:
        """Take a turn if one is free and nobody waits; else reserve a place among those who wait. Raises BusyError."""
        ...

    async def wait(self) -> None:
        """Wait for the turn for which a place is reserved."""
        ...

    def leave(self, *, has_turn: bool) -> None:
        """Give the turn back, or the place."""
        ...

    def close(self) -> None:
        """Let go of what is held open."""
        ...


class LocalTurns:
    """The turns of a service that is one process. See Turns."""

    def __init__(self, at_once: int, most_waiting: int) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._at_once = at_once
        self._most_waiting = most_waiting
        self._waiting = 0

    async def take_now(self) -> bool:
        """See Turns."""
        if not self._free.locked():
            # Does not wait.
            return await self._free.acquire()
        if self._waiting >= self._most_waiting:
            raise too_busy(self._at_once, self._waiting)
        self._waiting += 1
        return False

    async def wait(self) -> None:
        """See Turns."""
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1

    def leave(self, *, has_turn: bool) -> None:
        """See Turns."""
        if has_turn:
            self._free.release()
        else:
            self._waiting -= 1

    def close(self) -> None:
        """See Turns."""


def too_busy(under_way: int, waiting: int) -> BusyError:
    """The refusal of a run for which there is no place."""
    return BusyError(
        f"{under_way} runs are under way and {waiting} wait for their turn, as many as "
        "OPS_MAX_CONCURRENT_RUNS and OPS_MAX_QUEUED_RUNS allow; try again soon."
    )
