"""The log of a run as rows of a table."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final

from ops_contract import JsonError, parse_json
from ops_orchestrator.runs.record import LOGS
from ops_orchestrator.runs.store.protocols import RunStore

MOST_LINES: Final = 500
"""So many lines are shown; the log itself has all."""

MOST_BYTES: Final = 4 * 1024 * 1024
"""They are looked for in so much of the end of the log."""


@dataclass(frozen=True)
class LogLine:
    """An event of the log as a row."""

    seq: int
    level: str
    time: str
    step: str
    message: str


def log_lines(store: RunStore, run_id: str, step: str | None = None) -> Sequence[LogLine]:
    """The last lines of the log that can be read, of one step or of all. Raises NotFoundError, StoreError; blocks."""
    with closing(store.run(run_id).open(LOGS)) as opened:
        begin = max(opened.size - MOST_BYTES, 0)
        opened.file.seek(begin)
        raw_lines = opened.file.read(MOST_BYTES).splitlines()
    # The first one may have begun before.
    found = (_line(raw) for raw in raw_lines[1 if begin else 0 :])
    return [line for line in found if line is not None and step in (None, line.step)][-MOST_LINES:]


def _line(raw: bytes) -> LogLine | None:
    try:
        event: Any = parse_json(raw)
    except JsonError:
        return None
    if not isinstance(event, dict) or not isinstance(event.get("seq"), int):
        return None
    level, time, step, message = (str(event.get(name) or "") for name in ("level", "timestamp", "step", "message"))
    return LogLine(event["seq"], level, time[11:23], step or "run", message or str(event.get("event")))
