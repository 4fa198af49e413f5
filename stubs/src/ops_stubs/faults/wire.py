"""The connection of a request, for faults below HTTP."""

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.types import Receive, Scope, Send

from ops_stubs.faults.exchange import Reply

__all__ = ["TRANSPORT_EXTENSION", "Wire"]

TRANSPORT_EXTENSION: Final = "ops_stubs.transport"
"""Where `server.FaultProtocol` leaves the connection of a request in its ASGI scope."""

_CLOSE_WITH_RESET: Final = struct.pack("ii", 1, 0)


class Wire:
    """Sends the answer to one request, or ends its connection."""

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        answer: Callable[[], Awaitable[Reply]],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        """`answer` asks the stub; a fault that never calls it keeps the request from being executed."""
        self.answer = answer
        self.sleep = sleep
        self._receive = receive
        self._send = send
        self._transport: asyncio.Transport | None = scope.get("extensions", {}).get(TRANSPORT_EXTENSION)

    @property
    def is_gone(self) -> bool:
        """Whether the connection has ended, so that sending can stop."""
        return self._transport is not None and self._transport.is_closing()

    async def begin(self, reply: Reply) -> None:
        """Send status and headers."""
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers]
        await self._send({"type": "http.response.start", "status": reply.status, "headers": headers})

    async def write(self, content: bytes, *, more: bool) -> None:
        """Send a piece of the body."""
        await self._send({"type": "http.response.body", "body": content, "more_body": more})

    async def send(self, reply: Reply) -> None:
        """Send all of an answer."""
        await self.begin(reply)
        await self.write(reply.content, more=False)

    async def until_gone(self) -> None:
        """Wait until the caller has left."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def close(self) -> None:
        """End the connection as after a complete answer. Raises ConnectionAbortedError where there is none, in process."""
        if self._transport is None:
            raise ConnectionAbortedError("the stub closed the connection")
        self._transport.close()
        await self.until_gone()

    async def reset(self) -> None:
        """End the connection with an RST. Raises ConnectionResetError where there is none, in process."""
        if self._transport is None:
            raise ConnectionResetError("the stub reset the connection")
        # On a duplicate of the descriptor, because the loop does not give the socket itself. Both have to be closed.
        descriptor = os.dup(self._transport.get_extra_info("socket").fileno())
        with contextlib.closing(socket.socket(fileno=descriptor)) as duplicate:
            duplicate.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _CLOSE_WITH_RESET)
        self._transport.abort()
        await self.until_gone()
