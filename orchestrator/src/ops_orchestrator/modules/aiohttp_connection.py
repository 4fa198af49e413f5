"""aiohttp's connections, held to what they may cost, to one answer for one request, and to a time.

aiohttp reads as much as the socket gives and parses it at once, takes any number of interim answers (1xx), and keeps what
comes without a request as the answer to the next one. It uses a connection for as long as there are requests, and with it the
replica that it leads to. It has no public setting for any of these, so its connection is extended here. Nothing else depends on
how aiohttp works inside, and the tests of what a Transport promises fail when that changes.
"""

import asyncio
import random
import select
from typing import Any, Final, cast

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import RawResponseMessage

from ops_contract import MAX_INTERIM_ANSWERS

# Of the worst of bodies, in chunks of one byte, as many take 10 ms to parse, and all other runs wait meanwhile.
_READ_BYTES: Final = 32 * 1024
_SHORTEST_SHARE: Final = 0.8


class TooManyInterimAnswersError(aiohttp.ClientConnectionError):
    """More than MAX_INTERIM_ANSWERS came before the answer."""


class Connection(ResponseHandler):
    """Takes one answer for each request, after few interim ones, and closes on anything else.

    `address` is where it leads to. It is used for up to `longest_s` seconds, or to the end of a request that takes longer.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, longest_s: float) -> None:
        super().__init__(loop)
        self.address = ""
        # Connections that were opened together do not all end together.
        self._used_until = loop.time() + longest_s * random.uniform(_SHORTEST_SHARE, 1.0)  # noqa: S311  # no secret
        self._interim_answers = 0
        self._is_answered = False
        self._body: aiohttp.StreamReader | None = None
        self._waiting = select.poll()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        super().connection_made(transport)
        # Not checked, since uvloop's transports are not of this type.
        reading = cast(asyncio.Transport, transport)
        reading.set_protocol(_SmallReads(self, reading))
        self._waiting.register(reading.get_extra_info("socket").fileno(), select.POLLIN)
        self.address = reading.get_extra_info("peername")[0]

    @property
    def should_close(self) -> bool:
        """Whether it is used for no other request: also when it was used for long enough."""
        return self._loop.time() >= self._used_until or super().should_close

    def set_response_params(self, **parameters: Any) -> None:
        """Begin the next exchange."""
        self._interim_answers = 0
        self._is_answered = False
        super().set_response_params(**parameters)

    def data_received(self, data: bytes) -> None:
        """Parse what came, unless nothing is waited for."""
        if data and self._is_answered:
            self._abort()
            return
        super().data_received(data)
        # aiohttp leaves the reader of a body waiting when the rest of it is not HTTP.
        if (error := self.exception()) and self._body and not self._body.is_eof():
            failure = aiohttp.ClientPayloadError()
            failure.__cause__ = error
            self._body.set_exception(failure)

    def feed_data(self, data: tuple[RawResponseMessage, aiohttp.StreamReader], size: int = 0) -> None:
        """Take the head of an answer, which the parser found."""
        message, body = data
        if self._is_answered:
            self.force_close()
        elif 100 <= message.code < 200 and message.code != 101:
            self._interim_answers += 1
            if self._interim_answers == MAX_INTERIM_ANSWERS + 1:
                self.set_exception(TooManyInterimAnswersError())
                self._abort()
        elif self._interim_answers <= MAX_INTERIM_ANSWERS:
            super().feed_data(data, size)
            self._body = body
            body.on_eof(self._end_answer)

    def close(self) -> None:
        """Close the connection; the rest of a request that was given up is not sent, or its module would do it after all."""
        if self.transport is not None and self.transport.get_write_buffer_size():
            self.abort()
        super().close()

    def is_connected(self) -> bool:
        """Whether a request can be sent; not when something that was not requested waits to be read, or the end."""
        return super().is_connected() and not (self._is_answered and self._waiting.poll(0))

    def _end_answer(self) -> None:
        self._is_answered = True
        self._body = None

    def _abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()


class _SmallReads(asyncio.BufferedProtocol):
    """Stands before `connection`, which would be given up to 256 KiB at once, and gives it less."""

    def __init__(self, connection: Connection, transport: asyncio.Transport) -> None:
        self._connection = connection
        self._transport = transport
        self._piece = bytearray(_READ_BYTES)

    def get_buffer(self, sizehint: int) -> bytearray:  # noqa: ARG002  # the size is the point
        return self._piece

    def buffer_updated(self, nbytes: int) -> None:
        self._connection.data_received(bytes(memoryview(self._piece)[:nbytes]))
        # uvloop reads up to 32 times before others have their turn.
        if nbytes == _READ_BYTES and self._transport.is_reading():
            self._transport.pause_reading()
            asyncio.get_running_loop().call_soon(self._transport.resume_reading)

    def eof_received(self) -> None:
        self._connection.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connection.connection_lost(exc)

    def pause_writing(self) -> None:
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        self._connection.resume_writing()
