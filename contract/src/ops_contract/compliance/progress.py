"""How far a check is, in one line of a terminal that is rewritten while it runs."""

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final, TextIO

from ops_contract.compliance.redaction import harmless

Progress = Callable[[str, int, int], None]
"""Called with the check that runs, how many requirements have a result by now, and of how many."""

_ERASE: Final = "\r\x1b[K"
_EVERY_S: Final = 1.0
_PLAIN_NAMES: Final = {"golden": "good requests"}


def is_watched(*streams: TextIO) -> bool:
    """Whether a person looks at these streams: each is a terminal that can rewrite a line, and no CI keeps what it shows."""
    is_log = bool(os.environ.get("CI")) or os.environ.get("TERM", "dumb") == "dumb"
    return not is_log and all(stream.isatty() for stream in streams)


class ProgressLine:
    """A line on `stream` that names the check that runs; nothing unless `is_shown`. Call it as a `Progress`."""

    def __init__(self, stream: TextIO, work: str, counted: str, *, is_shown: bool) -> None:
        """Show nothing yet; `work` says what is done, and `counted` of what there are so many."""
        self._stream, self._work, self._counted, self._is_shown = stream, harmless(work), counted, is_shown
        self._began = time.monotonic()
        self._now = ("first answers", 0, 0)

    def __call__(self, check: str, done: int, total: int) -> None:
        """Rewrite the line."""
        self._now = (check, done, total)
        self._draw()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Rewrite it every second too, so that a long call does not look like the end, and erase it afterwards."""
        if not self._is_shown:
            yield
            return
        ticking = asyncio.create_task(self._tick())
        try:
            yield
        finally:
            ticking.cancel()
            with suppress(asyncio.CancelledError):
                await ticking
            self._write(_ERASE)

    async def _tick(self) -> None:
        while True:
            self._draw()
            await asyncio.sleep(_EVERY_S)

    def _draw(self) -> None:
        check, done, total = self._now
        name = _PLAIN_NAMES.get(check, check.replace("_", " "))
        counted = f", {done} of {total} {self._counted}" if total else ""
        end = f": {harmless(name)}{counted}, {time.monotonic() - self._began:.0f} s"
        # A line that fills the terminal would be two lines, of which only the second is erased.
        room = shutil.get_terminal_size().columns - 1
        self._write(f"{_ERASE}{_cut(self._work, room - len(end))}{end}"[: room + len(_ERASE)])

    def _write(self, text: str) -> None:
        if self._is_shown:
            with suppress(OSError):
                self._stream.write(text)
                self._stream.flush()


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: max(longest - 3, 0)]}..."
