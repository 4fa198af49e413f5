"""Pages of runs that go on, made once for all who look at them: each event has every watcher ask for the page again."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

FRESH_S: Final = 1.0
"""A page on which nothing happened is made again after so many seconds: it says how long its step has been running."""

MOST_PAGES: Final = 32
"""So many pages are kept, one for each run."""

Version = tuple[int, int]
"""Which state of a run a page shows; later ones are greater."""


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

    def fresh(self, run_id: str, version: Version) -> bytes | None:
        """The page that was made less than a second ago for this `version` of the run or a later one, if there is one."""
        kept = self._kept.get(run_id)
        return kept.html if kept and kept.is_fresh(version) else None

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
