"""What an HTTP library costs for calling modules: runs a second and CPU a run, at 1, 16 and 128 runs at once.

A run is two POSTs, one after the other, to a module in a process of its own that answers at once with 26 KB.
The candidates take turns in every round and the median round counts, so that a busy machine slows all of them alike;
compare the ratios, which are to httpx2 with its own pool. Run it with `make bench`.
"""

import asyncio
import multiprocessing
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from multiprocessing.connection import Connection
from typing import Final, NamedTuple, cast

import aiohttp
import httpx2
import uvloop

from ops_orchestrator.modules.aiohttp_transport import AiohttpTransport

CONCURRENCY: Final = (1, 16, 128)
ROUNDS: Final = 3
WINDOW_S: Final = 0.5
REQUEST: Final = b'{"inputs": "' + b"x" * 1000 + b'"}'
ANSWER: Final = b'{"outputs": "' + b"x" * 26_000 + b'"}'
HEADERS: Final = {"accept": "application/json", "accept-encoding": "identity", "content-type": "application/json"}

Post = Callable[[], Awaitable[bytes]]
"""Sends one request to the module and returns the body of its answer."""

Candidate = Callable[[int], AbstractAsyncContextManager[Post]]
"""Opens a client for the module at a port of this machine."""


class Rate(NamedTuple):
    """What one candidate did in one window."""

    runs_per_s: float
    cpu_ms: float


class Module(asyncio.Protocol):
    """One connection to the module: answers whatever is sent, as soon as all of it has arrived."""

    HEAD: Final = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(ANSWER)

    def __init__(self) -> None:
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection's writing end."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer when the request is complete; every candidate sends the same body."""
        self._received += data
        if self._received.endswith(REQUEST):
            self._received = b""
            self._transport.write(self.HEAD + ANSWER)


def serve(address: Connection) -> None:
    """Be the module until this process is ended; its port is sent to `address`."""

    async def listen() -> None:
        server = await asyncio.get_running_loop().create_server(Module, "127.0.0.1", 0)
        address.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(listen())


@asynccontextmanager
async def with_httpx2(port: int) -> AsyncIterator[Post]:
    """httpx2 with its own pool of connections, without a bound."""
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx2.AsyncClient(
        timeout=None, headers=HEADERS, limits=limits, trust_env=False
    ) as client:  # as modules are called

        async def post() -> bytes:
            return (await client.post(f"http://127.0.0.1:{port}/execute", content=REQUEST)).content

        yield post


@asynccontextmanager
async def with_aiohttp(port: int) -> AsyncIterator[Post]:
    """aiohttp, without a bound on connections."""
    connector, timeout = aiohttp.TCPConnector(limit=0), aiohttp.ClientTimeout()
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session:

        async def post() -> bytes:
            async with session.post(f"http://127.0.0.1:{port}/execute", data=REQUEST, headers=HEADERS) as response:
                return await response.read()

        yield post


@asynccontextmanager
async def with_our_transport(port: int) -> AsyncIterator[Post]:
    """Aiohttp behind the orchestrator's own interface, as modules are called."""
    transport = AiohttpTransport()

    async def post() -> bytes:
        url = f"http://127.0.0.1:{port}/execute"
        async with aclosing(await transport.send("POST", url, HEADERS, REQUEST, limit=len(ANSWER))) as response:
            return b"".join([chunk async for chunk in response.chunks])

    yield post
    await transport.aclose()


@asynccontextmanager
async def with_asyncio(port: int) -> AsyncIterator[Post]:
    """The floor: bytes over kept connections, and of HTTP only as much as this one answer needs."""
    idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    fields = {"host": f"127.0.0.1:{port}", **HEADERS, "content-length": str(len(REQUEST))}
    lines = ["POST /execute HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    request = "\r\n".join(lines).encode() + REQUEST

    async def post() -> bytes:
        reader, writer = idle.pop() if idle else await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(len(ANSWER))
        idle.append((reader, writer))
        return body

    yield post
    for _, writer in idle:
        writer.close()


CANDIDATES: Final[Mapping[str, Candidate]] = {
    "httpx2": with_httpx2,
    "aiohttp": with_aiohttp,
    "aiohttp, our interface": with_our_transport,
    "bare asyncio": with_asyncio,
}


async def measure(candidate: Candidate, port: int, concurrency: int) -> Rate:
    """Make runs for a window, `concurrency` at once, over connections that are open when it begins."""
    runs = 0

    async def make_runs(until: float) -> None:
        nonlocal runs
        while time.perf_counter() < until:
            for _ in range(2):
                assert await post() == ANSWER  # noqa: S101  # otherwise nothing was measured
            runs += 1

    async with candidate(port) as post:
        await asyncio.gather(*(post() for _ in range(concurrency)))
        started, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(make_runs(started + WINDOW_S) for _ in range(concurrency)))
        took_s, cpu_s = time.perf_counter() - started, time.process_time() - cpu
    return Rate(runs / took_s, 1000 * cpu_s / runs)


def compare(candidates: Mapping[str, Candidate], port: int, concurrency: int) -> dict[str, Rate]:
    """The median rate of each candidate."""
    rounds: dict[str, list[Rate]] = {name: [] for name in candidates}
    for _ in range(ROUNDS):
        for name, candidate in candidates.items():
            rounds[name].append(uvloop.run(measure(candidate, port, concurrency)))
    return {name: Rate(*map(statistics.median, zip(*rates, strict=True))) for name, rates in rounds.items()}


def main(candidates: Mapping[str, Candidate] = CANDIDATES) -> None:
    """Measure and print."""
    here, there = multiprocessing.Pipe()
    module = multiprocessing.get_context("spawn").Process(target=serve, args=(there,), daemon=True)
    module.start()
    port = here.recv()
    print("two POSTs a run           runs at once   runs/s  ratio   CPU ms a run  ratio")
    for concurrency in CONCURRENCY:
        rates = compare(candidates, port, concurrency)
        base = rates["httpx2"]
        for name, rate in rates.items():
            speed, cpu = rate.runs_per_s / base.runs_per_s, rate.cpu_ms / base.cpu_ms
            print(f"  {name:24}{concurrency:12}{rate.runs_per_s:9.0f}{speed:7.2f}{rate.cpu_ms:15.2f}{cpu:7.2f}")
    module.terminate()
    module.join()


if __name__ == "__main__":
    main()
