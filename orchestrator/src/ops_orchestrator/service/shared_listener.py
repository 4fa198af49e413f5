"""Accepts the connections to a socket on which several processes may listen, so that each of them gets its share.

For one process too: where no descriptor is left, the event loop's own server tries again thousands of times at once.
"""

import asyncio
import mmap
import socket
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

import structlog

# Long enough for a process that has fewer connections to take this one, if it is not busy.
_LET_OTHERS_S: Final = 0.002
# As asyncio waits when the process has no descriptor left.
_UNTIL_ROOM_S: Final = 1.0
_COUNT: Final = struct.Struct("@q")

_log: Any = structlog.get_logger("ops_orchestrator")


class Connections(Protocol):
    """How many connections the processes have that listen on one socket."""

    def note(self, connections: int) -> None:
        """Say how many this process has."""
        ...

    def fewest(self) -> int:
        """How many the process has that has the fewest, this one included."""
        ...


class Alone:
    """The connections of a process that listens alone, and takes all. See Connections."""

    def note(self, connections: int) -> None:
        """See Connections."""

    def fewest(self) -> int:
        """See Connections."""
        return sys.maxsize


class OpenConnections:
    """How many connections each of `count` processes has, in a file that all of them map; this one is number `number`."""

    def __init__(self, file: Path, number: int, count: int) -> None:
        with file.open("a+b") as opened:
            opened.truncate(count * _COUNT.size)
            self._map = mmap.mmap(opened.fileno(), count * _COUNT.size)
        self._mine = number * _COUNT.size
        self.note(0)

    def note(self, connections: int) -> None:
        """Say how many this process has."""
        _COUNT.pack_into(self._map, self._mine, connections)

    def fewest(self) -> int:
        """How many the process has that has the fewest, this one included."""
        return min(int(count) for (count,) in _COUNT.iter_unpack(self._map[:]))


class SharedListener:
    """Accepts connections from `listener` on the running event loop, as one of its own servers does. See asyncio.Server.

    Left to chance, one of two processes gets up to 14 of 16 connections, which their callers then keep. So a process that has
    more than another one does not accept the next at once.
    """

    def __init__(
        self,
        listener: socket.socket,
        connections: Connections,
        make_protocol: Callable[[], asyncio.Protocol],
        count: Callable[[], int],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._connections = connections
        self._make_protocol = make_protocol
        self._count = count
        self._later: asyncio.TimerHandle | None = None
        self._opening: set[asyncio.Task[object]] = set()
        listener.setblocking(False)
        self._watch()

    def close(self) -> None:
        """Accept no more, and close the listener."""
        self._loop.remove_reader(self._listener)
        if self._later is not None:
            self._later.cancel()
        self._listener.close()

    async def wait_closed(self) -> None:
        """Wait until those that were accepted are in the hands of their protocols."""
        if self._opening:
            await asyncio.wait(self._opening)

    def _watch(self) -> None:
        self._loop.add_reader(self._listener, self._look)

    def _look(self) -> None:
        open_here = self._count() + len(self._opening)
        self._connections.note(open_here)
        if open_here > self._connections.fewest():
            self._pause(_LET_OTHERS_S)
        else:
            self._accept()

    def _pause(self, seconds: float) -> None:
        self._loop.remove_reader(self._listener)
        self._later = self._loop.call_later(seconds, self._go_on)

    def _go_on(self) -> None:
        self._watch()
        self._accept()

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, ConnectionError):
            return  # another process was faster, or the caller has gone
        except OSError as error:
            _log.error("service.not_accepting", message=f"no connection can be accepted: {error.strerror}")
            self._pause(_UNTIL_ROOM_S)
            return
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = asyncio.ensure_future(self._loop.connect_accepted_socket(self._make_protocol, connection))
        self._opening.add(task)
        task.add_done_callback(self._opened)

    def _opened(self, task: "asyncio.Task[object]") -> None:
        self._opening.discard(task)
        if not task.cancelled():
            task.exception()  # the caller has gone already
        self._connections.note(self._count() + len(self._opening))
