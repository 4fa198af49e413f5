"""A run's log as server-sent events (HTML Living Standard, section 9.2): the lines that there are, then those that come."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing, closing
from typing import Final, NamedTuple

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from ops_orchestrator.runs.feed import Line
from ops_orchestrator.runs.log_follower import FollowsRuns, RunWatcher
from ops_orchestrator.runs.log_reader import LogReader

MEDIA_TYPE: Final = "text/event-stream"
HEADERS: Final = {
    "Content-Type": MEDIA_TYPE,
    "Cache-Control": "no-store",
    # A proxy that gathers an answer before it passes it on would keep everything until the run's end.
    "X-Accel-Buffering": "no",
}
HEARTBEAT_S: Final = 15.0
"""Proxies close connections over which nothing came for a while, mostly for 60 s."""

_HEARTBEAT: Final = b": still there\n\n"
_TOO_SLOW: Final = b": the stream ends here, since its lines are not read fast enough; go on with Last-Event-ID\n\n"


class Streamed(NamedTuple):
    """What this process knows of the run that is streamed."""

    is_active: Callable[[], bool]
    """Whether it executes the run; of one that it does not, nothing would ever come."""
    is_recorded: Callable[[], bool]
    """Whether the run's record is final; it blocks."""


# A browser comes again after so many milliseconds.
_NOT_HERE: Final = b"retry: 15000\n: the stream ends here, since this process does not execute the run\n\n"


class EventSource(StreamingResponse):
    """Sends what `log` has and then what `events` brings, and ends with the run. Closes the log."""

    def __init__(self, log: LogReader, events: FollowsRuns, run: Streamed, heartbeat_s: float = HEARTBEAT_S) -> None:
        self._log = log
        self._parts = _parts(log, events, run, heartbeat_s)
        super().__init__(self._parts, headers=HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        # The framework leaves the stream as it is when a caller hangs up: its watcher would be kept, and the file open.
        with closing(self._log):
            async with aclosing(self._parts):
                await super().__call__(scope, receive, send)


async def _parts(log: LogReader, events: FollowsRuns, run: Streamed, heartbeat_s: float) -> AsyncGenerator[bytes]:
    # Watched before the log is read to its end, so that no line is missed; those that come twice are known by their numbers.
    with events.follow(log.run_id) as watcher:
        # The line that ends a run stands in its log before its record is final, which is what a caller reads next.
        ending: Line | None = None
        while lines := await asyncio.to_thread(log.read):
            if ending:
                lines.insert(0, ending)
            ending = lines.pop() if lines[-1].is_last else None
            yield _events(lines)
        await asyncio.to_thread(log.close)
        if ending and (not run.is_active() or await asyncio.to_thread(run.is_recorded)):
            yield _events([ending])
            return
        async with aclosing(_live(watcher, log.seq, ending, run.is_active, heartbeat_s)) as parts:
            async for part in parts:
                yield part


async def _live(
    watcher: RunWatcher, seq: int, ending: Line | None, is_active: Callable[[], bool], heartbeat_s: float
) -> AsyncGenerator[bytes]:
    """What comes after the line `seq`, up to the run's end; `ending` is that line when it is not sent yet."""
    # With each heartbeat, too: a run whose last line could not be written ends without it.
    while watcher.has_lines or (watcher.ended is None and is_active()):
        try:
            taken = await watcher.take(heartbeat_s)
        except TimeoutError:
            yield _HEARTBEAT
            continue
        lines = [line for line in taken if line.seq > seq]
        if ending and taken and taken[-1].seq >= seq:
            # Either it is published now, or the run was resumed, and its first end is a line like others.
            lines.insert(0, ending)
            ending = None
        yield _events(lines)
        if lines and lines[-1].is_last:
            return
    if watcher.ended == "too slow":
        yield _TOO_SLOW
    elif watcher.ended is None:
        yield _NOT_HERE


def _events(lines: Iterable[Line]) -> bytes:
    return b"".join(map(_event, lines))


def _event(line: Line) -> bytes:
    # A carriage return would end the field. Our own lines have none; in JSON from elsewhere it can only be white space.
    data = b"\ndata: ".join(line.data.rstrip(b"\r\n").split(b"\r"))
    return b"id: %d\ndata: %b\n\n" % (line.seq, data)
