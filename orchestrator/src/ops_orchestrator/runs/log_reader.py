"""Reads the log of a run from its file, in pieces: a log may be large, and may come from elsewhere."""

import json
import re
from typing import BinaryIO, Final, NamedTuple

from ops_orchestrator.runs.event_reader import LONGEST_LINE_BYTES
from ops_orchestrator.runs.feed import Line

_PIECE_BYTES: Final = 64 * 1024
# `seq` is the first field of a line, so that a line need not be parsed for it.
_SEQ: Final = re.compile(rb'\s*\{\s*"seq"\s*:\s*([1-9][0-9]{0,14})\s*[,}]')
_LAST: Final = b'"run.ended"'


class LogReader:
    """The lines of a run's log, from the first on. Blocking; raises OSError; close it with `close`.

    A line without a `seq` that goes on from the line before is numbered by counting, as in logs of version 0.1.0.
    """

    def __init__(self, run_id: str, file: BinaryIO) -> None:
        self.run_id = run_id
        self._file = file
        self._place = _Place(0, 0)

    @property
    def seq(self) -> int:
        """The number of the line that was read last, or skipped; 0 at the beginning."""
        return self._place.seq

    @property
    def has_next(self) -> bool:
        """Whether a line follows."""
        place = self._place
        found = self._next() is not None
        self._go_to(place)
        return found

    def close(self) -> None:
        """Close the file; closing twice is harmless."""
        self._file.close()

    def read(self) -> list[Line]:
        """The next lines, as many as make a good piece; none at the end.

        What has no newline is not a line yet: it is being written, or a crash has torn it.
        """
        lines: list[Line] = []
        size = 0
        while size < _PIECE_BYTES and (line := self._next()):
            lines.append(line)
            size += len(line.data)
        return lines

    def skip(self, after: int) -> Line | None:
        """Go to the first line numbered above `after`; returns the last line of the log.

        When the last line is numbered below `after`, the log was cut since somebody read that far: go to its last line.
        """
        last, last_place, wanted = None, self._place, None
        place = self._place
        while line := self._next():
            if wanted is None and line.seq > after:
                wanted = place
            last, last_place = line, place
            place = self._place
        is_cut = last is not None and last.seq < after
        self._go_to(wanted or (last_place if is_cut else place))
        return last

    def _next(self) -> Line | None:
        data = self._file.readline(LONGEST_LINE_BYTES)
        if not data.endswith(b"\n"):
            self._go_to(self._place)
            return None
        stated = _SEQ.match(data)
        seq = max(self._place.seq + 1, int(stated[1]) if stated else 0)
        self._place = _Place(self._place.offset + len(data), seq)
        return Line(self.run_id, seq, data, is_last=_is_last(data))

    def _go_to(self, place: "_Place") -> None:
        self._place = place
        self._file.seek(place.offset)


class _Place(NamedTuple):
    """A place between two lines: the bytes before it, and the number of the line before it."""

    offset: int
    seq: int


def _is_last(line: bytes) -> bool:
    """Whether the line says how the run ended; the log of a resumed run has several of these."""
    # Nearly all lines lack the text, and need not be parsed.
    if _LAST not in line:
        return False
    try:
        return bool(json.loads(line)["event"] == "run.ended")
    except (ValueError, LookupError, TypeError, RecursionError):
        return False
