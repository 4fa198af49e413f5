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
        self.failure: OSError | None = None
        """Why it cannot listen; then it ends."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Make the application ready, then listen on `sockets`, which are bound."""
        twins = [bound.dup() for bound in sockets or ()]
        try:
            await super().startup(sockets)
            for twin in twins:
                # The event loop keeps to itself that it could not; to ask for it again changes nothing where it could.
                twin.listen(self.config.backlog)
        except OSError as error:
            self.failure, self.should_exit = error, True
        else:
            self._announce()
        finally:
            for twin in twins:
                twin.close()
