"""The log of a run as rows of a table."""

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final

from ops_orchestrator.runs.record import LOGS
from ops_orchestrator.runs.store.protocols import RunStore

MOST_LINES: Final = 500
"""So many lines are shown; the log itself has all."""

MOST_BYTES: Final = 4 * 1024 * 1024
"""They are looked for in so much of the end of the log."""


@dataclass(frozen=True)
class LogLine:
    """An event of the log as a row. `event` is what kind it is of."""

    seq: int
    event: str
    level: str
    time: str
    step: str
    message: str


@dataclass(frozen=True)
class LogEnd:
    """The last lines of a log; `is_whole` says that there are no others."""

    lines: Sequence[LogLine]
    is_whole: bool

    @property
    def seq(self) -> int:
        """The number of the last event; 0 without any."""
        return self.lines[-1].seq if self.lines else 0

    @property
    def is_cancelling(self) -> bool:
        """Whether somebody asked to cancel the run since it was started."""
        kinds = (line.event for line in reversed(self.lines))
        return next((kind for kind in kinds if kind in ("run.cancelling", "run.started")), "") == "run.cancelling"


def log_end(store: RunStore, run_id: str, step: str | None = None) -> LogEnd:
    """The last lines of the log that can be read, of one step or of all. Raises NotFoundError, StoreError; blocks."""
    with closing(store.run(run_id).open(LOGS)) as opened:
        begin = max(opened.size - MOST_BYTES, 0)
        opened.file.seek(begin)
        raw_lines = opened.file.read(MOST_BYTES).splitlines()
    # The first one may have begun before.
    complete = raw_lines[1 if begin else 0 :]
    found: list[LogLine] = []
    for number, raw in enumerate(reversed(complete), start=1):
        line = _line(raw)
        if line is not None and step in (None, line.step):
            found.append(line)
        if len(found) == MOST_LINES:
            return LogEnd(found[::-1], is_whole=begin == 0 and number == len(complete))
    return LogEnd(found[::-1], is_whole=begin == 0)


def _line(raw: bytes) -> LogLine | None:
    """A line as a row; None for one that cannot be read. As text is all that is shown, numbers need not be exact."""
    try:
        event: Any = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict) or not isinstance(event.get("seq"), int):
        return None
    level, time, step, message = (str(event.get(name) or "") for name in ("level", "timestamp", "step", "message"))
    kind = str(event.get("event"))
    return LogLine(event["seq"], kind, level, time[11:23], step or "run", message or kind)
