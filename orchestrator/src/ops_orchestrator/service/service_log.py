"""The service's own log, ours and our libraries', in one format on standard error."""

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Sequence
from typing import BinaryIO

import structlog

from ops_orchestrator.modules.trace_context import TraceContext
from ops_orchestrator.runs.feed import Line
from ops_orchestrator.service.console_log import ConsoleLog, Stream
from ops_orchestrator.settings import LogFormat


class RunLog:
    """Repeats the lines of all runs in the service's own log: with the id of their trace, or for people."""

    def __init__(self, log_format: LogFormat, stream: BinaryIO | None = None) -> None:
        self._stream = stream or sys.stderr.buffer
        self._console = _console(log_format, self._stream)
        self._lock = threading.Lock()

    def take(self, lines: Sequence[Line]) -> None:
        """See Consumer. One write for all: each costs as much as a file of a run."""
        console = self._console
        text = b"".join(_traced(line) if console is None else console.of_run(line).encode(errors="replace") for line in lines)
        with self._lock:
            self._stream.write(text)
            self._stream.flush()


def _traced(line: Line) -> bytes:
    """The line with the id of its run's trace behind it, by which the logs of modules and of the caller are found."""
    if line.queued is None:
        return line.data
    trace = TraceContext.of(line.run_id, line.queued.traceparent)
    return b'%s,"trace_id":"%s"}\n' % (line.data[:-2], trace.trace_id.encode())


def _console(log_format: LogFormat, stream: Stream) -> ConsoleLog | None:
    """How the log is written for people; None where programs read it."""
    if log_format == "json" or (log_format == "auto" and not stream.isatty()):
        return None
    return ConsoleLog.of(stream, os.environ)


def configure_service_log(log_format: LogFormat) -> None:
    """Log from now on as one JSON object a line, or for people: with `auto`, where standard error is a terminal."""
    shared: list[structlog.types.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        _timestamp_unless_given,
    ]
    render: structlog.types.Processor = structlog.processors.JSONRenderer(ensure_ascii=False)
    render = _console(log_format, sys.stderr) or render
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
    for chatty in ("uvicorn.access", "uvicorn.error", "procrastinate"):
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
