"""A file that is made while it is sent, piece by piece, off the event loop."""

import asyncio
from collections.abc import AsyncIterator, Generator, Mapping
from threading import Lock
from typing import Any, Final

import structlog
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from ops_orchestrator.errors import OrchestratorError

_log: Final[Any] = structlog.get_logger("ops_orchestrator.http")


class MadeFile(StreamingResponse):
    """Sends what `pieces` makes, and ends it when the caller hangs up.

    When it fails half way, the server ends the connection, by which the caller sees that the file is not whole.
    """

    def __init__(self, pieces: Generator[bytes], headers: Mapping[str, str]) -> None:
        self._pieces = pieces
        # A caller may hang up while a thread makes a piece, and a generator cannot be ended meanwhile.
        self._working = Lock()
        super().__init__(self._made(), headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            asyncio.get_running_loop().run_in_executor(None, self._end)

    async def stream_response(self, send: Send) -> None:
        """See StreamingResponse."""
        try:
            await super().stream_response(send)
        except OrchestratorError as error:
            _log.error("http.broken_off", reason=str(error))

    async def _made(self) -> AsyncIterator[bytes]:
        while piece := await asyncio.to_thread(self._next):
            yield piece

    def _next(self) -> bytes:
        with self._working:
            return next(self._pieces, b"")

    def _end(self) -> None:
        with self._working:
            self._pieces.close()
