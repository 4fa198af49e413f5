"""Raw HTTP/1.1: sends exactly the given bytes, and no answer can make it hang or fill the memory.

It is not the orchestrator's client on purpose: one has to be polite, the other has to send wrong requests and read odd answers.
"""

import asyncio
import errno
import os
import socket
import ssl
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

import h11

from ops_contract import MAX_HEADER_BYTES, MAX_HEADER_FIELDS, MAX_INTERIM_ANSWERS, is_encoded, request_target
from ops_contract.compliance.result import Exchange

MOST_BYTES: Final = 16 * 1024 * 1024
"""The largest answer that is read to its end."""

# Servers and proxies allow far less; parsing a head of megabytes takes seconds.
_MOST_HEAD_BYTES: Final = 256 * 1024
_CHUNK_BYTES: Final = 64 * 1024
_TURNS_TO_READ: Final = 3
_CONTINUE_S: Final = 1.0
_PAUSE_S: Final = 0.05
_CUT_OFF: Final = (os.strerror(errno.ECONNRESET), os.strerror(errno.EPIPE))
_HEADERS: Final = {
    "User-Agent": "openpolicystack-compliance-kit",
    "Accept": "*/*",
    "Accept-Encoding": "identity",  # as the orchestrator, which reads no other
    "Connection": "close",
}


class Probe:
    """Sends single requests to the service at `url`, each over a new connection; answers over `most_bytes` are an error.

    `served_by` as in Exchange. `on_exchange` is told of each exchange when it has ended.
    """

    def __init__(self, url: str, *, most_bytes: int = MOST_BYTES, served_by: str = "") -> None:
        self.on_exchange: Callable[[Exchange], None] = lambda _: None
        self._served_by = served_by
        parts = urlsplit(url)
        self._most_bytes = most_bytes
        self.url = url.rstrip("/")
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._tls else 80)
        self._netloc = parts.netloc.rpartition("@")[2]
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._base_path = parts.path.rstrip("/")

    async def send(
        self, method: str, path: str, body: bytes = b"", *, headers: Mapping[str, str] | None = None, timeout_s: float = 10.0
    ) -> Exchange:
        """Send one request for `path` below the base URL; see `request_target`. Never raises: what went wrong is in `error`."""
        target = self._target(path)
        sent = {"Host": self._netloc, **_HEADERS, **(headers or {})}
        if body or method in ("POST", "PUT", "PATCH"):
            sent.setdefault("Content-Length", str(len(body)))
        if len(body) > _CHUNK_BYTES:
            sent.setdefault("Expect", "100-continue")
        started = time.monotonic()
        head = _head(method, target, sent)
        reading, error = await self._exchanged(method, head, body, timeout_s)
        if error in _CUT_OFF and reading.status is None and len(body) > _CHUNK_BYTES:
            # A server that refuses a body early closes the connection, and sending more then discards its answer.
            # The second attempt waits for an answer between the pieces.
            reading, error = await self._exchanged(method, head, body, timeout_s, pause_s=_PAUSE_S)
        exchange = Exchange(
            method=method,
            url=f"{self._origin}{target}",
            request_headers=sent,
            request_body=body,
            status=reading.status,
            headers=reading.headers,
            body=bytes(reading.body),
            error=error or reading.error,
            seconds=time.monotonic() - started,
            served_by=self._served_by,
        )
        self.on_exchange(exchange)
        return exchange

    async def _exchanged(
        self, method: str, head: bytes, body: bytes, timeout_s: float, pause_s: float = 0
    ) -> tuple["_Reading", str | None]:
        """Send a request over a new connection; returns what was read, and why it is not complete."""
        reading = _Reading(method, self._most_bytes)
        try:
            async with asyncio.timeout(timeout_s):
                await self._converse(head, body, reading, pause_s)
        except TimeoutError:
            return reading, f"no whole answer within {timeout_s:g} s"
        except ssl.SSLError as problem:
            return reading, f"TLS failed: {problem.reason or problem}"
        except OSError as problem:
            return reading, _reason(problem)
        except UnicodeError:  # not a valid host name, such as one with an empty label
            return reading, "the host name is not known"
        except h11.RemoteProtocolError as problem:
            return reading, f"not HTTP/1.1: {problem}"
        return reading, None

    async def abort(self, path: str, body: bytes) -> None:
        """Send the first half of a POST and close the connection."""
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(5):
                _, writer = await asyncio.open_connection(self._host, self._port, ssl=self._tls)
                sent = {"Host": self._netloc, "Content-Type": "application/json", "Content-Length": str(len(body))}
                writer.write(_head("POST", self._target(path), sent) + body[: len(body) // 2])
                await writer.drain()
                writer.close()

    def _target(self, path: str) -> str:
        return request_target(f"{self._base_path}/{path.removeprefix('/')}")

    async def _converse(self, head: bytes, body: bytes, reading: "_Reading", pause_s: float) -> None:
        reader, writer = await asyncio.open_connection(self._host, self._port, ssl=self._tls)
        try:
            writer.write(head)
            if len(body) > _CHUNK_BYTES:
                # A server that refuses a large body by its length answers now. Others answer "100 Continue"
                # (RFC 9110, 10.1.1); to those that ignore Expect, the body is sent after a while.
                with suppress(TimeoutError):
                    async with asyncio.timeout(_CONTINUE_S):
                        reading.take(await reader.read(_CHUNK_BYTES))
            sending = asyncio.ensure_future(_drain(writer, body, reading, pause_s))
            try:
                while not reading.done:
                    reading.take(await reader.read(_CHUNK_BYTES))
            finally:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
        finally:
            # A graceful close would wait for a server that does not read.
            writer.transport.abort()


class _Reading:
    """An answer that is being received."""

    def __init__(self, method: str, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self.error: str | None = None
        self.done = False
        self._received = False
        self._interim_answers = 0
        self._parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MOST_HEAD_BYTES)
        # The parser has to know the method; the bytes that it produces are not sent.
        self._parser.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
        self._parser.send(h11.EndOfMessage())

    def take(self, data: bytes) -> None:
        """Take more bytes. Raises h11.RemoteProtocolError when they are not HTTP."""
        if not data and not self._received:
            self.error, self.done = "the connection was closed without an answer", True
            return
        self._received = True
        self._parser.receive_data(data)
        while not self.done:
            event = self._parser.next_event()
            if event is h11.NEED_DATA or event is h11.PAUSED:
                return
            self._apply(event)

    def _apply(self, event: object) -> None:
        match event:
            case h11.InformationalResponse():
                self._interim_answers += 1
                if self._interim_answers > MAX_INTERIM_ANSWERS:
                    self.error, self.done = f"more than {MAX_INTERIM_ANSWERS} interim answers (1xx)", True
            case h11.Response():
                self.status = event.status_code
                self.headers = _joined(event.headers)
                self.error = _unreadable(event.headers, self.headers.get("content-encoding", ""))
            case h11.Data():
                self.body += event.data
                if len(self.body) > self._most_bytes:
                    self.error, self.done = f"the answer is larger than {self._most_bytes} bytes", True
            case h11.EndOfMessage() | h11.ConnectionClosed():
                self.done = True


def _unreadable(fields: Collection[tuple[bytes, bytes]], encoding: str) -> str | None:
    """Why the orchestrator would not read an answer with this header; None when it would."""
    if len(fields) > MAX_HEADER_FIELDS:
        return f"more than {MAX_HEADER_FIELDS} header fields"
    if any(len(name) + len(value) > MAX_HEADER_BYTES for name, value in fields):
        return f"a header field of more than {MAX_HEADER_BYTES} bytes"
    return f"a body in the encoding {encoding!r}, which was not accepted" if is_encoded(encoding) else None


async def _drain(writer: asyncio.StreamWriter, body: bytes, reading: _Reading, pause_s: float) -> None:
    with suppress(OSError):  # the server may answer and close before it has read everything
        for start in range(0, len(body), _CHUNK_BYTES):
            # Let an answer be read before more is sent: writing to a closed connection would discard it.
            for _ in range(_TURNS_TO_READ):
                await asyncio.sleep(pause_s / _TURNS_TO_READ)
            if reading.status is not None:
                return
            writer.write(body[start : start + _CHUNK_BYTES])
            await writer.drain()


def _joined(fields: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Header fields by name in lower case, the values of a repeated one joined by commas (RFC 9110, section 5.3)."""
    headers: dict[str, str] = {}
    for field, content in fields:
        name, value = field.decode("latin-1").lower(), content.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _reason(problem: OSError) -> str:
    """The system's message alone, without the text that asyncio adds."""
    if isinstance(problem, socket.gaierror):
        return "the host name is not known"
    return os.strerror(problem.errno) if problem.errno else str(problem) or type(problem).__name__


def _head(method: str, target: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1", errors="replace")
