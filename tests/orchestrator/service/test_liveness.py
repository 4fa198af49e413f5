"""Whether a worker answers."""

import asyncio
import socket
from pathlib import Path

from ops_orchestrator.service.liveness import answers, until_silent


def listening(path: Path) -> socket.socket:
    """A socket that takes connections, on which nobody answers."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(1)
    return listener


async def test_worker_that_takes_connections_and_no_more_hangs(tmp_path: Path) -> None:
    with listening(tmp_path / "worker"):
        for _ in range(4):  # more than the system keeps waiting
            assert not await answers(tmp_path / "worker", 0.01)


async def test_worker_that_is_not_there_does_not_hang(tmp_path: Path) -> None:
    assert await answers(tmp_path / "worker", 60)
    listening(tmp_path / "worker").close()
    assert await answers(tmp_path / "worker", 60)


async def test_worker_that_answers_again_is_not_silent(tmp_path: Path) -> None:
    asked, ended = 0, asyncio.Semaphore(0)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        await reader.readuntil(b"\r\n\r\n")
        if asked == 3:
            writer.write(b"HTTP/1.1 421 Misdirected Request\r\n\r\n")
        else:
            await reader.read()  # until it is given up
        writer.close()
        await writer.wait_closed()
        ended.release()

    async with await asyncio.start_unix_server(answer, tmp_path / "worker"):
        await until_silent(tmp_path / "worker", every_s=0, within_s=0.5, times=3)
        for _ in range(6):
            await ended.acquire()
    assert asked == 6
