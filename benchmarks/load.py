"""Callers that send one scenario after another over kept connections, and note how long each run took."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final, cast

from http_messages import Message, Messages, post

SCENARIO: Final = b'{"scenario_id": "benchmark", "modules": ["alpha", "beta"], "inputs": {"country": "DR", "vat_rate": 0.18}}'
_REQUEST: Final = post("/plan_and_execute", SCENARIO)


class MeasurementError(Exception):
    """Something happened that makes the figures worthless; the message says what."""


class Load:
    """What the callers did so far: how many runs were answered, and the seconds that each took since the last `clear`."""

    def __init__(self) -> None:
        self.completed = 0
        self.latencies: list[float] = []
        self.is_ending = False
        self._goal = 0
        self._event = asyncio.Event()
        self._failure = ""

    async def last(self, seconds: float) -> None:
        """Let the callers go on for some seconds. Raises MeasurementError."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.reach(sys.maxsize)

    async def reach(self, completed: int) -> None:
        """Let the callers go on until so many runs are completed. Raises MeasurementError."""
        self._goal = completed
        self._event.clear()
        if not self._failure and self.completed < completed:
            await self._event.wait()
        if self._failure:
            raise MeasurementError(self._failure)

    def took(self, seconds: float) -> None:
        """A run was answered."""
        self.completed += 1
        self.latencies.append(seconds)
        if self.completed >= self._goal:
            self._event.set()

    def fail(self, reason: str) -> None:
        """A run was not answered as it should be."""
        self._failure = self._failure or reason
        self._event.set()


class Caller(asyncio.Protocol):
    """One caller: sends a scenario, waits for the answer, sends the next."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._messages = Messages()
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first scenario."""
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        """Note what is complete."""
        for message in self._messages.feed(data):
            self._answered(message)

    def connection_lost(self, _exc: Exception | None) -> None:
        """The program ends no connection by itself."""
        if not self._load.is_ending:
            self._load.fail("the program closed a connection")
        self.ended.set_result(None)

    def _send(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(_REQUEST)

    def _answered(self, message: Message) -> None:
        if not message.head.startswith(b"HTTP/1.1 200") or b'"completed"' not in message.body:
            status, _, _ = message.head.partition(b"\r\n")
            self._load.fail(f"a run was answered {status.decode()}: {message.body[:500].decode(errors='replace')}")
        self._load.took(time.perf_counter() - self._sent)
        if self._load.is_ending:
            self._transport.close()
        else:
            self._send()


@asynccontextmanager
async def callers(port: int, count: int) -> AsyncIterator[Load]:
    """So many callers of the program at a port; at the end each waits for its last answer."""
    load, loop = Load(), asyncio.get_running_loop()
    opened = [loop.create_connection(lambda: Caller(load), "127.0.0.1", port) for _ in range(count)]
    connected = [caller for _, caller in await asyncio.gather(*opened)]
    yield load
    load.is_ending = True
    await asyncio.gather(*(caller.ended for caller in connected))
