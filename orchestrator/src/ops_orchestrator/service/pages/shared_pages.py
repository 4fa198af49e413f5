"""Pages of runs that go on, made once for all who look at them: each event has every watcher ask for the page again."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

FRESH_S: Final = 1.0
"""A page on which nothing happened is made again after so many seconds: it says how long its step has been running."""

GATHER_S: Final = 0.02
"""All who ask for the page of a watched run within so many seconds share one look at it: an event has all of them ask."""

MOST_PAGES: Final = 32
"""So many pages are kept, one for each run."""

Version = tuple[int, int]
"""Which state of a run a page shows; later ones are greater."""


class State(NamedTuple):
    """How far a run has come, and whether it is over."""

    version: Version
    is_over: bool


@dataclass
class _Kept:
    making: asyncio.Lock = field(default_factory=asyncio.Lock)
    version: Version = (-1, -1)
    made_at: float = 0.0
    html: bytes = b""

    def is_fresh(self, version: Version) -> bool:
        return self.version >= version and time.monotonic() - self.made_at <= FRESH_S


class SharedPages:
    """The last page of each run that is watched."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}
        self._looks: dict[str, asyncio.Task[State]] = {}

    async def state(self, run_id: str, look: Callable[[], State]) -> State:
        """What `look` says of a run; it blocks. For all who are given its answer, it begins after they have asked."""
        if run_id not in self._kept:
            return await asyncio.to_thread(look)
        if run_id not in self._looks:
            self._looks[run_id] = asyncio.create_task(self._look(run_id, look))
        # Who hangs up takes the answer from nobody else.
        return await asyncio.shield(self._looks[run_id])

    async def _look(self, run_id: str, look: Callable[[], State]) -> State:
        await asyncio.sleep(GATHER_S)
        # Who comes from now on may know of a later state.
        del self._looks[run_id]
        return await asyncio.to_thread(look)

    async def page(self, run_id: str, version: Version, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """What `make` gives, or gave less than a second ago for this `version` of the run or a later one."""
        kept = self._kept.setdefault(run_id, _Kept())
        if len(self._kept) > MOST_PAGES:
            del self._kept[next(iter(self._kept))]
        async with kept.making:
            if not kept.is_fresh(version):
                kept.html = await make()
                kept.version, kept.made_at = version, time.monotonic()
            return kept.html
