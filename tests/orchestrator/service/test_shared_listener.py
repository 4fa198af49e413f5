"""Connections are spread over the processes that listen on one socket."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from ops_orchestrator.service.shared_listener import OpenConnections, SharedListener


class Greeting(asyncio.Protocol):
    """Says who it is, and counts its open connections in `connected`."""

    def __init__(self, name: bytes, connected: set[asyncio.Protocol]) -> None:
        self.name, self.connected = name, connected

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.connected.add(self)
        transport.write(self.name)

    def connection_lost(self, _: Exception | None) -> None:
        self.connected.discard(self)


@asynccontextmanager
async def listening(listener: socket.socket, file: Path, number: int) -> AsyncIterator[None]:
    """What one of two processes does."""
    connected: set[asyncio.Protocol] = set()
    shared = SharedListener(
        listener.dup(),
        OpenConnections(file, number, 2),
        lambda: Greeting(b"%d" % number, connected),
        lambda: len(connected),
    )
    yield
    shared.close()
    await shared.wait_closed()


async def greeted(listener: socket.socket, count: int) -> list[bytes]:
    """Who accepts so many connections that stay open together."""
    opened = [await asyncio.open_connection(*listener.getsockname()) for _ in range(count)]
    names = [await reader.readexactly(1) for reader, _ in opened]
    for _, writer in opened:
        writer.close()
        await writer.wait_closed()
    return names


async def test_two_processes_get_about_half_of_the_connections_each(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with listening(listener, tmp_path / "file", 0), listening(listener, tmp_path / "file", 1):
            names = await greeted(listener, 16)
    # On a busy machine, one may let another go first for longer than it waits.
    assert min(names.count(b"0"), names.count(b"1")) >= 5


async def test_process_whose_sibling_accepts_nothing_gets_all(tmp_path: Path) -> None:
    OpenConnections(tmp_path / "file", 1, 2)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with listening(listener, tmp_path / "file", 0):
            assert await greeted(listener, 5) == [b"0"] * 5


async def test_who_stops_listening_leaves_the_rest_to_the_others(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with listening(listener, tmp_path / "file", 0):
            async with listening(listener, tmp_path / "file", 1):
                pass
            assert await greeted(listener, 3) == [b"0"] * 3
