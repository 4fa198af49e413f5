"""One line on a terminal that says how far a long command has come; nothing anywhere else."""

import sys
import time
from types import TracebackType
from typing import Final, Self

_EVERY_S: Final = 0.2


class ProgressLine:
    """A line on standard error, written over again and again, and gone at the end."""

    def __init__(self) -> None:
        self._visible = sys.stderr.isatty()
        self._width = 0
        self._next = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.clear()

    def show(self, text: str) -> None:
        """Replace the line, a few times a second at most."""
        if self._visible and time.monotonic() >= self._next:
            self._next = time.monotonic() + _EVERY_S
            self._write(text)

    def clear(self) -> None:
        """Remove the line, so that something else can be printed."""
        self._write("")

    def _write(self, text: str) -> None:
        if self._visible and (text or self._width):
            sys.stderr.write(f"\r{text:<{self._width}}\r{text}")
            sys.stderr.flush()
            self._width = len(text)
