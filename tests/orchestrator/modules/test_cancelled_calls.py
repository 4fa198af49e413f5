"""A call that is cancelled: wherever it waits, it ends, its connection is closed, and nothing of it is left."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import pytest
from module_call import call_of
from scripted_module import artifact, envelope

from ops_orchestrator.modules.attempt import Answered, attempt, request_for
from ops_orchestrator.modules.call import Call
from ops_orchestrator.modules.client import ModuleClient
from ops_orchestrator.modules.module import Module
from ops_orchestrator.modules.readiness import wait_until_ready
from ops_orchestrator.settings import Settings

MIB: Final = 1024 * 1024
_TURNS: Final = 10
JSON: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
Held = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def saying(value: Any) -> bytes:
    body = json.dumps(value).encode()
    return JSON % (len(body), body)


HEALTHY: Final = saying({"status": "ok", "module": "alpha", "version": "1"})
SUCCESS: Final = saying(envelope())
LARGE: Final = b"x" * MIB
WITH_FILE: Final = saying(envelope(artifacts=[artifact("f.bin", LARGE, href="f.bin")]))


class HoldingModule:
    """Answers each path as written, but for one, of which it says as much as is written and hands out the connection."""

    def __init__(self, path: str, answers: Mapping[str, bytes]) -> None:
        self.held: asyncio.Queue[Held] = asyncio.Queue()
        self._path = path
        self._answers = {"/health": HEALTHY, **answers}
        self._writers: list[asyncio.StreamWriter] = []

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection, until it ends or is held."""
        self._writers.append(writer)
        with suppress(asyncio.IncompleteReadError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                path = head.split()[1].decode()
                if path == self._path:
                    writer.write(self._answers.get(path, b""))
                    for _ in range(_TURNS):  # for the client to read it
                        await asyncio.sleep(0)
                    self.held.put_nowait((reader, writer))
                    return
                await reader.readexactly(length_of(head))
                writer.write(self._answers[path])

    async def close(self) -> None:
        """Hang up on every client."""
        for writer in self._writers:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


def length_of(head: bytes) -> int:
    return int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)


@asynccontextmanager
async def holding(
    path: str, answers: Mapping[str, bytes] | None = None, **inputs: Any
) -> AsyncIterator[tuple[HoldingModule, Call]]:
    """A module on a real socket that holds requests of `path`, and a call of it."""
    held = HoldingModule(path, answers or {})
    async with await asyncio.start_server(held.converse, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        yield held, call_of(Module(name="alpha", url=f"http://127.0.0.1:{port}"), **inputs)
        await held.close()


@pytest.fixture
async def client() -> AsyncIterator[ModuleClient]:
    client = ModuleClient(Settings(_env_file=None).limits)
    yield client
    await client.aclose()


async def step(call: Call, client: ModuleClient, staging: Path | None = None) -> Answered:
    await wait_until_ready(client, call.module)
    return await attempt(call, await request_for(call), client, staging)


async def closed(reader: asyncio.StreamReader) -> bytes:
    """What comes until the other side closes the connection, which is a reset when it has not read all that was said."""
    received = b""
    with suppress(ConnectionResetError):
        while piece := await reader.read(MIB):
            received += piece
    return received


async def cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


PLACES: Final = {
    "health": ("/health", b""),
    "half of health": ("/health", HEALTHY[:-10]),
    "answer": ("/execute", b""),
    "half of the head": ("/execute", SUCCESS[:20]),
    "half of the answer": ("/execute", SUCCESS[:-10]),
}


@pytest.mark.parametrize(("path", "said"), PLACES.values(), ids=PLACES)
async def test_connection_of_a_cancelled_call_is_closed(client: ModuleClient, path: str, said: bytes) -> None:
    async with holding(path, {path: said}) as (module, call):
        calling = asyncio.create_task(step(call, client))
        reader, _ = await module.held.get()
        await cancel(calling)
        await closed(reader)


@pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning")  # aiohttp's advice, and no less work
@pytest.mark.parametrize("said", [b"", SUCCESS[:-10]], ids=["nothing", "half of an answer"])
async def test_request_that_its_module_does_not_read_is_not_sent_on_when_it_is_cancelled(
    client: ModuleClient, said: bytes
) -> None:
    async with holding("/execute", {"/execute": said}, text="x" * 16 * MIB) as (module, call):
        calling = asyncio.create_task(step(call, client))
        reader, _ = await module.held.get()
        await cancel(calling)
        assert len(await closed(reader)) < 16 * MIB


async def test_other_calls_of_the_module_go_on(client: ModuleClient) -> None:
    async with holding("/execute") as (module, call):
        cancelled, other = (asyncio.create_task(step(call, client)) for _ in range(2))
        first, second = await module.held.get(), await module.held.get()
        await cancel(cancelled)
        await first[0].read(0)
        for _, writer in (first, second):
            writer.write(SUCCESS)
        assert (await other).envelope.status == "success"


async def test_download_that_is_cancelled_leaves_no_file(client: ModuleClient, tmp_path: Path) -> None:
    half = JSON % (MIB, LARGE[: MIB // 2])
    async with holding("/f.bin", {"/execute": WITH_FILE, "/f.bin": half}) as (module, call):
        calling = asyncio.create_task(step(call, client, tmp_path))
        reader, _ = await module.held.get()
        await asyncio.to_thread(wait_for_a_file, tmp_path)
        await cancel(calling)
        await closed(reader)
    assert is_empty(tmp_path)


def wait_for_a_file(folder: Path) -> None:
    while is_empty(folder):
        pass


def is_empty(folder: Path) -> bool:
    return not any(folder.iterdir())
