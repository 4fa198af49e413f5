"""A proxy before an object store that stages faults: refusals, answers that are lost, puts that are slow or half written."""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote, urlsplit

Kind = Literal["status", "lost", "held", "half", "down"]


@dataclass
class Fault:
    """What happens to the next `times` requests with `method` whose path ends with `ending`.

    `status`: it is the answer, with the `code` of an S3 error, if there is one. `lost`: passed on, and the connection
    is closed instead of an answer. `held`: passed on when `released` is set, whether its sender still waits or not.
    `half`: half of it is passed on. `down`: closed at once.
    """

    kind: Kind
    method: str = "PUT"
    ending: str = ""
    times: float = 1
    status: int = 503
    code: str = ""
    met: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)

    def takes(self, method: str, path: str) -> bool:
        """Whether the request is one of those that it happens to."""
        if self.times <= 0 or self.method not in (method, "ANY") or not path.endswith(self.ending):
            return False
        self.times -= 1
        return True


class FaultyStore:
    """The proxy. `faults` may be changed at any time; `requests` counts what came, by method and the last part of the path."""

    def __init__(self, upstream: str) -> None:
        self.faults: list[Fault] = []
        self.requests: Counter[tuple[str, str]] = Counter()
        self.url = ""
        self._upstream = urlsplit(upstream)
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def stage(self, fault: Fault) -> Fault:
        """Have `fault` happen."""
        self.faults.append(fault)
        return fault

    def puts(self) -> int:
        """How many puts came."""
        return sum(count for (method, _), count in self.requests.items() if method == "PUT")

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()
        self._ready.wait()

    def stop(self) -> None:
        """End all connections."""
        for fault in self.faults:
            fault.released.set()
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._until_over())
        self._loop.close()

    async def _until_over(self) -> None:
        self._over = asyncio.Event()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._ready.set()
        await self._over.wait()
        server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while await self._exchanged(reader, writer):
                pass
        writer.close()

    async def _exchanged(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Take one request; whether the connection is kept."""
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(_length(head))
        method, target, _ = head.decode("latin-1").split(" ", 2)
        path = unquote(urlsplit(target).path)
        self.requests[method, path.rpartition("/")[2]] += 1
        fault = next((fault for fault in self.faults if fault.takes(method, path)), None)
        if fault is None:
            writer.write(await self._passed_on(head, body))
            await writer.drain()
            return True
        fault.met.set()
        try:
            return await self._failed(fault, head, body, writer)
        finally:
            fault.done.set()

    async def _failed(self, fault: Fault, head: bytes, body: bytes, writer: asyncio.StreamWriter) -> bool:
        match fault.kind:
            case "status":
                told = f"<Error><Code>{fault.code}</Code><Message>as staged</Message></Error>".encode() if fault.code else b""
                writer.write(b"HTTP/1.1 %d Staged\r\nContent-Length: %d\r\n\r\n%b" % (fault.status, len(told), told))
                await writer.drain()
                return True
            case "lost":
                await self._passed_on(head, body)
            case "held":
                await asyncio.to_thread(fault.released.wait)
                answer = await self._passed_on(head, body)
                with suppress(ConnectionError):
                    writer.write(answer)
                    await writer.drain()
            case "half":
                _, upstream = await self._opened()
                upstream.write(head + body[: len(body) // 2])
                await upstream.drain()
                upstream.close()
            case "down":
                pass
        return False

    async def _opened(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self._upstream.hostname, self._upstream.port)

    async def _passed_on(self, head: bytes, body: bytes) -> bytes:
        """The answer to a request, for which a new connection is made."""
        reader, writer = await self._opened()
        first, _, rest = head.partition(b"\r\n")
        writer.write(first + b"\r\nConnection: close\r\n" + rest + body)
        await writer.drain()
        answer = await reader.read(-1)
        writer.close()
        # The connection to the caller is kept all the same.
        top, _, content = answer.partition(b"\r\n\r\n")
        lines = [line for line in top.split(b"\r\n") if not line.lower().startswith(b"connection:")]
        return b"\r\n".join(lines) + b"\r\n\r\n" + content


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0


@contextmanager
def faulty(upstream: str) -> Iterator[FaultyStore]:
    """A proxy before the object store at `upstream`."""
    proxy = FaultyStore(upstream)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
