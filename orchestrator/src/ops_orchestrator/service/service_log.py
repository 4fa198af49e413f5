"""The service's own log, ours and our libraries', in one format on standard error."""

import asyncio
import json
import logging
import sys
import threading
from collections.abc import Sequence
from typing import Any, BinaryIO, Literal

import structlog

from ops_orchestrator.runs.feed import Line

_run_log: Any = structlog.get_logger("ops_orchestrator.run")


class RunLog:
    """Repeats the lines of all runs in the service's own log: as they are, or for people."""

    def __init__(self, log_format: Literal["json", "console"], stream: BinaryIO | None = None) -> None:
        self._stream = stream or sys.stderr.buffer
        self._as_they_are = log_format == "json"
        self._lock = threading.Lock()

    def take(self, lines: Sequence[Line]) -> None:
        """See Consumer. One write for all: each costs as much as a file of a run."""
        if not self._as_they_are:
            for line in lines:
                _show(line)
            return
        with self._lock:
            self._stream.write(b"".join(line.data for line in lines))
            self._stream.flush()


def _show(line: Line) -> None:
    fields = json.loads(line.data)
    level, name = fields.pop("level"), fields.pop("event")
    getattr(_run_log, level)(name, **fields)


def configure_service_log(log_format: Literal["json", "console"]) -> None:
    """Log from now on as one JSON object a line, or for people."""
    shared: list[structlog.types.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        _timestamp_unless_given,
    ]
    render: structlog.types.Processor = structlog.processors.JSONRenderer(ensure_ascii=False)
    if log_format == "console":
        render = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    final: list[structlog.types.Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        render,
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=final, foreign_pre_chain=shared))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    for chatty in ("uvicorn.access", "uvicorn.error"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").addFilter(_shorten_cut_off)


def _shorten_cut_off(record: logging.LogRecord) -> bool:
    """The server reports an answer that its stop cut off with a traceback, as if something were broken."""
    if record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError):
        record.msg = (
            "an answer was cut off: the service stopped, and its caller did not read it to the end in time, "
            "or had not sent the whole request"
        )
        record.exc_info = None
        record.levelno, record.levelname = logging.WARNING, "WARNING"
    return True


def _timestamp_unless_given(logger: object, name: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    """A run's event keeps the time at which it happened."""
    if "timestamp" not in event:
        structlog.processors.TimeStamper(fmt="iso", utc=True)(logger, name, event)
    return {"service": "orchestrator", **event}
