"""The web server of the stubs, on a real socket."""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.applications import Starlette

from ops_stubs.server import Server


async def test_server_refuses_callers_until_its_application_is_ready_and_then_says_so() -> None:
    warming, warm, announced = asyncio.Event(), asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        warming.set()
        await warm.wait()
        yield

    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        server = Server(uvicorn.Config(Starlette(lifespan=lifespan), log_level="warning"), announced.set)
        serving = asyncio.create_task(server.serve([bound]))
        await warming.wait()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*bound.getsockname())
        assert not announced.is_set()
        warm.set()
        await announced.wait()
        _, writer = await asyncio.open_connection(*bound.getsockname())
        writer.close()
        await writer.wait_closed()
        server.should_exit = True
        await serving


async def test_server_whose_address_another_program_listens_at_by_then_ends_and_knows_why() -> None:
    announced = asyncio.Event()
    with socket.socket() as other, socket.socket() as bound:
        for each in (other, bound):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", 0))
        bound.bind(other.getsockname())
        other.listen()
        server = Server(uvicorn.Config(Starlette(), log_level="warning"), announced.set)
        await server.serve([bound])
    assert server.failure is not None
    assert server.failure.errno == errno.EADDRINUSE
    assert not announced.is_set()
