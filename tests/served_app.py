"""An application on a real socket, on the event loop of the test."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.types import ASGIApp

from ops_orchestrator.service.callers import CallerLimits
from ops_orchestrator.service.server import protocol_within


@asynccontextmanager
async def served(app: ASGIApp, send_buffer: int | None = None, limits: CallerLimits | None = None) -> AsyncIterator[str]:
    """Serve `app` at the address that this gives; `send_buffer` bytes are how much the system takes for a slow reader."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        if send_buffer is not None:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        http = protocol_within(limits or CallerLimits())
        server = uvicorn.Server(uvicorn.Config(app, http=http, ws="none", log_config=None, timeout_graceful_shutdown=3))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving
