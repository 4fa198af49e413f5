"""The part of the web server that faults reach down to: its connections and its signals."""

import signal
from types import FrameType

from uvicorn import Server
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ops_stubs.faults.wire import TRANSPORT_EXTENSION

__all__ = ["DeafServer", "FaultProtocol"]


class FaultProtocol(HttpToolsProtocol):
    """Leaves the connection of every request where the fault layer finds it."""

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self.scope["extensions"] = {TRANSPORT_EXTENSION: self.transport}  # type: ignore[dict-item]


class DeafServer(Server):
    """Ignores SIGTERM (OPS-CTR-003); SIGINT still stops it."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop, unless politely asked to."""
        if sig != signal.SIGTERM:
            super().handle_exit(sig, frame)
