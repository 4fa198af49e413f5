"""HTTP/1.1 as the server reads it: within bounds, and what no application sees is refused with a problem document, too."""

import asyncio
import socket
import struct
from math import inf
from typing import Any, Final

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from ops_orchestrator.service.callers import Callers, Patience
from ops_orchestrator.service.refusal import (
    MAX_FIELDS,
    MAX_HEAD_BYTES,
    NO_ROOM,
    PADDED,
    TOO_LARGE,
    TOO_MANY_FIELDS,
    TOO_SLOW,
    UNREADABLE,
    Refusal,
)
from ops_orchestrator.service.request_head import NO_BODY, body_of

# With it ends a head, and a body in chunks.
_END: Final = b"\r\n\r\n"
# A body in chunks is read in parts that end behind an `_END`, most of them not shorter than this, as it may be full of them.
_PART_BYTES: Final = 1024
# More than this of the next requests is not taken before a request is answered.
_MOST_HELD_BYTES: Final = 64 * 1024
# What may stand around the bytes of a body in chunks: sizes, extensions, trailers.
_MOST_PADDING_BYTES: Final = 64 * 1024
_MOST_PADDING: Final = 8
# So much of a body is thrown away whose request was answered before, so that its caller reads why; then the connection ends.
_MOST_DRAINED_BYTES: Final = 64 * 1024 * 1024
_AT_ONCE: Final = struct.pack("ii", 1, 0)


class HttpProtocol(HttpToolsProtocol):
    """The server's protocol, except for what it makes of requests that are not as they should be.

    Its own answers are text/plain, its headers have no limit, it drops the body of a request that asks for another protocol,
    it answers what cannot be read before the requests that came before it, it makes all requests of what came at once, it
    takes what comes after the body as headers, and it waits for its callers without end.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        callers: Callers,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._callers = callers
        self._patience = Patience(callers.limits.slowest)
        # Bytes that wait until the request before them is answered, and those of it and them that count as pending.
        self._held = b""
        self._is_full = False
        self._pending = 0
        self._requests = 0
        self._drained = 0
        self._why = UNREADABLE
        # Nothing more is read; nothing more is answered.
        self._is_deaf = False
        self._has_ended = False
        # Of the head, or the body, that is being read.
        self._in_head = False
        self._head_bytes = 0
        self._last = b""
        self._body = NO_BODY
        self._fed = 0
        self._body_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the server
        """See asyncio.Protocol."""
        super().connection_made(transport)
        self.flow = _Flow(transport)
        why = self._callers.admit(self, self.client[0] if self.client else None)
        if why is not None:
            self._refuse(why)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        super().connection_lost(exc)
        self._callers.leave(self)
        self._keep_pending(0)
        self._held = b""

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        self._drained += 1
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._unset_keepalive_if_required()
        if self._is_deaf:
            return
        if not self._callers.take(len(data), self._pending):
            self._refuse(NO_ROOM)
            return
        self._pending += len(data)
        self._held = self._held + data if self._held else data
        self._go_on()

    def on_response_complete(self) -> None:
        """An answer has ended."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._held = b""
            self._keep_pending(0)
        elif not self._is_deaf:
            if self._held:
                self._unset_keepalive_if_required()
            self._go_on()

    def look(self, now: float) -> None:
        """See Connection."""
        what, seconds, progress = self._awaited()
        if self._patience.is_over(now, (what, self._requests, self._drained), seconds, progress):
            if what == "end":
                # What the system still has to send is thrown away, too, which it would keep for minutes.
                if (connection := self.transport.get_extra_info("socket")) is not None:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
                self.transport.abort()
            elif what == "request":
                self.transport.close()
            else:
                self._refuse(TOO_SLOW)

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_head = True
        self._requests += 1

    def on_headers_complete(self) -> None:
        """The headers have ended."""
        self._in_head = False
        if self._wants_upgrade():
            return
        self._fed = self._body_bytes = 0
        body = body_of(self.url, self.headers, self.parser.get_http_version())
        if isinstance(body, Refusal):
            self._why = body
            raise ValueError(body.detail)  # noqa: TRY004  # the parser stops at what it calls, whatever is raised
        self._body = body
        super().on_headers_complete()
        # What comes after a body in chunks is no header of the request, which may be under way already.
        self.headers = []

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The body has ended."""
        if not self._wants_upgrade():
            super().on_message_complete()
            # The server does not note it of a request that was answered before.
            self.cycle.more_body = False

    def _awaited(self) -> tuple[str, float, int]:
        """What the caller should do, for how many seconds that is waited for, and how far it is, in bytes."""
        limits, cycle = self._callers.limits, self.cycle
        if self._has_ended:
            return "end", limits.linger_s, 0
        if self.flow.write_paused or self.transport.is_closing():
            return "end", limits.unread_s, -self.transport.get_write_buffer_size()
        if self._awaits_body():
            return ("pause", inf, 0) if self.flow.read_paused else ("body", limits.body_s, self._fed)
        if self._in_head:
            return "head", limits.head_s, 0
        return ("request", limits.head_s, 0) if cycle is None or cycle.response_complete else ("answer", inf, 0)

    def _awaits_body(self) -> bool:
        return self.cycle is not None and self.cycle.more_body and not self._in_head

    def _is_answering(self) -> bool:
        """Whether a request has come whole, and has no answer yet."""
        return self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body

    def _go_on(self) -> None:
        """Read what came, up to the end of a request; the rest waits until that is answered."""
        held, at = self._held, 0
        view = memoryview(held)
        try:
            while at < len(held) and not self._is_deaf:
                if not self._in_head and not self._awaits_body():
                    while held[at : at + 1] in (b"\r", b"\n"):  # the line ends before a request line mean nothing
                        at += 1
                    self._head_bytes, self._last = 0, b""
                if self._is_answering() or at == len(held):
                    break
                end = self._end_of_part(held, at)
                at = self._read(view, at, end)
        except httptools.HttpParserError:
            self._refuse(self._why)
        if self._is_deaf:
            return
        self._held = held[at:]
        self._note_held()

    def _note_held(self) -> None:
        if self.cycle is not None and self.cycle.response_complete and not self._in_head:
            self._keep_pending(len(self._held))
        if self._held or self._is_full:
            self._hold(is_full=len(self._held) > _MOST_HELD_BYTES)

    def _hold(self, *, is_full: bool) -> None:
        self._is_full = is_full
        flow: Any = self.flow  # as made for this connection
        flow.hold(is_full=is_full)

    def _keep_pending(self, count: int) -> None:
        self._callers.give_back(self._pending - count)
        self._pending = count

    def _end_of_part(self, data: bytes, at: int) -> int:
        """Where the part from `at` on ends that can be read without beginning another request, or nearly so."""
        if self._awaits_body():
            if not self._body.is_chunked:
                return min(len(data), at + self._body.length - self._body_bytes)
            found = data.find(_END, at + _PART_BYTES)
        else:
            # The end may have begun in what was read before.
            seam = (self._last + data[at : at + 3]).find(_END) if self._last else -1
            found = data.find(_END, at) if seam < 0 else at + seam - len(self._last)
        return len(data) if found < 0 else found + len(_END)

    def _read(self, data: memoryview, at: int, end: int) -> int:
        """Read `data` from `at` to `end`, or to where a request asks for another protocol; returns where that was."""
        part = data[at:end]
        if self._awaits_body():
            self._fed += len(part)
        else:
            self._head_bytes += len(part)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(TOO_LARGE)
                return end
        try:
            self.parser.feed_data(part)
            if self._in_head:
                self._last = (self._last + bytes(part[-3:]))[-3:]
        except httptools.HttpParserUpgrade as upgrade:
            if self._wants_upgrade():
                self._read_without_upgrade()
                return at + int(upgrade.args[0])
        self._check_size()
        return end

    def _check_size(self) -> None:
        """Refuse what has grown too large before its end has come."""
        if len(self.headers) > MAX_FIELDS:
            self._refuse(TOO_MANY_FIELDS)
        elif self._body.is_chunked and self._fed - self._body_bytes > _MOST_PADDING_BYTES + _MOST_PADDING * self._body_bytes:
            self._refuse(PADDED)
        elif self._fed > _MOST_DRAINED_BYTES and self._awaits_body() and self.cycle.response_complete:
            self._end()

    def _wants_upgrade(self) -> bool:
        # After CONNECT there is never a request to read.
        return self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"

    def _read_without_upgrade(self) -> None:
        """Read the head again as if it had not asked (RFC 9110, section 7.8): a parser that was asked reads no body."""
        version = self.parser.get_http_version().encode()
        lines = [b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, version)]
        lines += [b"%s: %s" % header for header in self.headers if header[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.parser.feed_data(b"\r\n".join([*lines, b"", b""]))

    def _refuse(self, why: Refusal) -> None:
        """Answer `why` when it is its turn, and read no more."""
        self._is_deaf, self._held = True, b""
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            # What was answered before its body had come is not answered again.
            self._end(why if cycle is None or not cycle.more_body else None)
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
                self._end(why)

    def _end(self, why: Refusal | None = None) -> None:
        """Answer `why`, and let the caller read it: if we closed with bytes unread, its system would drop the answer."""
        self._is_deaf = self._has_ended = True
        self._held = b""
        self._keep_pending(0)
        if why is not None:
            self.transport.write(why.message(self.server_state.default_headers))
        if self._callers.may_linger(self) and self.transport.can_write_eof():
            self.transport.write_eof()
            self._hold(is_full=False)
            self.flow.resume_reading()
        else:
            self.transport.close()


class _Flow(FlowControl):
    """Does not go on reading, whoever asks for it, while more is held than should be."""

    _is_held = False

    def hold(self, *, is_full: bool) -> None:
        """Read no more when it is full; otherwise go on if reading stopped for that."""
        was_held, self._is_held = self._is_held, is_full
        if is_full:
            self.pause_reading()
        elif was_held:
            self.resume_reading()

    def resume_reading(self) -> None:
        """See FlowControl."""
        if not self._is_held:
            super().resume_reading()
