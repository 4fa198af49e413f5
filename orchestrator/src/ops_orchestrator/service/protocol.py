"""HTTP/1.1 as the server reads it: what no application sees is refused with a problem document, too."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import httptools
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ops_orchestrator.service.problem import problem_body

MAX_HEAD_BYTES: Final = 64 * 1024
"""Largest request line and headers together."""


@dataclass(frozen=True)
class _Refusal:
    """The application that answers what cannot be read, or should not be."""

    status: int
    detail: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        body = problem_body(self.status, self.detail)
        headers = {"Connection": "close"}
        await Response(body, self.status, headers, "application/problem+json")(scope, receive, send)


_UNREADABLE: Final = _Refusal(
    400, "The request is not HTTP/1.1: its request line, a header or a chunk of its body cannot be read."
)
_TOO_LARGE: Final = _Refusal(431, f"The request line and the headers have more than {MAX_HEAD_BYTES} bytes; send less in them.")
_NOT_ONE_HOST: Final = _Refusal(400, "A request of HTTP/1.1 has the header Host once, with the name of the service.")
_CODED: Final = _Refusal(
    501, "No transfer coding but chunked is understood; send the body without the header Transfer-Encoding."
)

# ": " and the end of the line.
_AROUND_HEADER: Final = 4


class HttpProtocol(HttpToolsProtocol):
    """The server's protocol, except for what it makes of requests that are not as they should be.

    Its own answers are text/plain, its headers have no limit, it drops the body of a request that asks for another protocol,
    and it answers what cannot be read before the requests that came before it.
    """

    _in_head = False
    _head_bytes = 0
    _is_refused = False
    _why = _UNREADABLE

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._unset_keepalive_if_required()
        if self._is_refused:
            return
        continued = self._in_head
        rest = memoryview(data)
        try:
            while rest:
                rest = self._read(rest)
        except httptools.HttpParserError:
            self._refuse(self._why)
            return
        if continued and self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(_TOO_LARGE)

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0

    def on_headers_complete(self) -> None:
        """The headers have ended."""
        self._in_head = False
        if self._wants_upgrade():
            return
        why = _fault(self.headers, len(self.url), self.parser.get_http_version())
        if why is not None:
            self._why = why
            raise ValueError(why.detail)  # the parser stops at what it calls
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The body has ended."""
        if not self._wants_upgrade():
            super().on_message_complete()

    def _wants_upgrade(self) -> bool:
        # After CONNECT there is never a request to read.
        return self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"

    def _read(self, data: memoryview) -> memoryview:
        """Read the requests in `data`, to the first that asks for another protocol. Returns what follows its head."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._wants_upgrade():
                self._read_without_upgrade()
                return data[upgrade.args[0] :]
        return data[:0]

    def _read_without_upgrade(self) -> None:
        """Read the head again as if it had not asked (RFC 9110, section 7.8): a parser that was asked reads no body."""
        version = self.parser.get_http_version().encode()
        lines = [b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, version)]
        lines += [b"%s: %s" % header for header in self.headers if header[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.parser.feed_data(b"\r\n".join([*lines, b"", b""]))

    def _refuse(self, why: _Refusal) -> None:
        """Answer `why` when it is its turn, and read no more."""
        self._is_refused = True
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            self._write(why)
        elif not cycle.more_body:
            # It is the one before, and whole. Its caller learns from the end of the connection that the next was not read.
            cycle.keep_alive = False
        elif self.pipeline:
            application: Any = why
            self.pipeline[0] = cycle, application
        else:
            # Nothing is answered on a connection that is closed.
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started:
                self.transport.close()
            else:
                self._write(why)

    def _write(self, why: _Refusal) -> None:
        title = HTTPStatus(why.status).phrase
        body = problem_body(why.status, why.detail)
        head = [
            f"HTTP/1.1 {why.status} {title}".encode(),
            *(name + b": " + value for name, value in self.server_state.default_headers),
            b"content-type: application/problem+json",
            f"content-length: {len(body)}".encode(),
            b"connection: close",
        ]
        self.transport.write(b"\r\n".join([*head, b"", body]))
        self.transport.close()


def _fault(headers: list[tuple[bytes, bytes]], target_bytes: int, version: str) -> _Refusal | None:
    """Why a request cannot be served whose head was read, whatever it is for."""
    size, hosts, is_coded = target_bytes, 0, False
    for name, value in headers:
        size += len(name) + len(value) + _AROUND_HEADER
        if name == b"host":
            hosts += 1
        elif name == b"transfer-encoding":
            is_coded = is_coded or value.lower() != b"chunked"
    if size > MAX_HEAD_BYTES:
        return _TOO_LARGE
    if hosts != 1 and (hosts or version == "1.1"):
        return _NOT_ONE_HOST
    return _CODED if is_coded else None
