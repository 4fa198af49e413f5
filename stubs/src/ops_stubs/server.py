"""The web server of the stubs."""

import socket
from collections.abc import Callable

import uvicorn

__all__ = ["Server"]


class Server(uvicorn.Server):
    """Calls `announce` when it listens, which it does when the application is ready and not before.

    Until then a caller is refused, and may try again; one that is let in would wait for as long as that takes.
    """

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Make the application ready, then listen on `sockets`, which are bound."""
        await super().startup(sockets)
        self._announce()
