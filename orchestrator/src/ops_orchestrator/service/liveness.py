"""Whether a worker answers: a process may live and hang."""

import asyncio
import socket
from pathlib import Path
from typing import Final

# About no run and from no caller, it is answered by whoever is there.
_QUESTION: Final = b"HEAD / HTTP/1.1\r\nHost: worker\r\nConnection: close\r\n\r\n"


def socket_of(folder: Path, number: int) -> Path:
    """Where the worker `number` of those that share `folder` listens for the others."""
    return folder / f"worker-{number}"


async def answers(path: Path, within_s: float) -> bool:
    """Whether the worker that listens at `path` answers a request without any work within `within_s` seconds.

    True also when nobody listens there: a worker that begins or ends does not hang.
    """
    try:
        async with asyncio.timeout(within_s):
            reader, writer = await asyncio.open_unix_connection(sock=_connected(path))
            try:
                writer.write(_QUESTION)
                await reader.read(1)
            finally:
                writer.close()
    except (TimeoutError, BlockingIOError):
        return False
    except OSError:
        return True
    return True


def _connected(path: Path) -> socket.socket:
    """A connection, which is made at once or not at all. Raises BlockingIOError when too many wait there, and OSError."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        # An event loop would take one that has to wait for one that is made.
        connection.setblocking(False)
        connection.connect(str(path))
    except OSError:
        connection.close()
        raise
    return connection


async def until_silent(path: Path, *, every_s: float = 5.0, within_s: float = 10.0, times: int = 3) -> None:
    """Return when the worker at `path` has not answered `times` times in a row.

    Once is not enough: where all processes are frozen together, each question that was under way is answered too late.
    """
    missed = 0
    while missed < times:
        await asyncio.sleep(every_s)
        missed = 0 if await answers(path, within_s) else missed + 1
