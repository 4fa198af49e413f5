"""The parts of the web server that faults change: its connections and its signals."""

import signal
from types import FrameType

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ops_stubs.faults.wire import TRANSPORT_EXTENSION
from ops_stubs.server import Server

__all__ = ["DeafServer", "FaultProtocol"]


class FaultProtocol(HttpToolsProtocol):
    """Puts the connection of every request into its ASGI scope, for the fault layer."""

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self.scope["extensions"] = {TRANSPORT_EXTENSION: self.transport}  # type: ignore[dict-item]


class DeafServer(Server):
    """Ignores SIGTERM (OPS-CTR-003); SIGINT still stops it."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop, unless the signal is SIGTERM."""
        if sig != signal.SIGTERM:
            super().handle_exit(sig, frame)
