"""HTTP/1.1 as the server reads it: what no application sees is refused with a problem document, too."""

from http import HTTPStatus
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ops_orchestrator.service.problem import problem_body

MAX_HEAD_BYTES: Final = 64 * 1024
"""Largest request line and headers that are waited for; those that arrive at once may be a little larger."""


class HttpProtocol(HttpToolsProtocol):
    """The server's protocol, whose own answers are text/plain and whose headers have no limit."""

    _in_head = False
    _head_bytes = 0

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        continued = self._in_head
        super().data_received(data)
        if continued and self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(431, f"The request line and the headers have more than {MAX_HEAD_BYTES} bytes.")

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0

    def on_headers_complete(self) -> None:
        """The headers have ended."""
        self._in_head = False
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP; `msg` is the server's and says no more than that."""
        del msg
        self._refuse(400, "The request is not HTTP/1.1: its request line, a header or a chunk of its body cannot be read.")

    def _refuse(self, status: int, detail: str) -> None:
        title = HTTPStatus(status).phrase
        body = problem_body(status, detail)
        head = [
            f"HTTP/1.1 {status} {title}".encode(),
            *(name + b": " + value for name, value in self.server_state.default_headers),
            b"content-type: application/problem+json",
            f"content-length: {len(body)}".encode(),
            b"connection: close",
        ]
        self.transport.write(b"\r\n".join([*head, b"", body]))
        self.transport.close()
