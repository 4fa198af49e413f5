"""Why the server refuses what no application sees, and the whole answer that says so."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ops_orchestrator.service.problem import problem_body
from ops_orchestrator.service.security_headers import DATA_HEADERS

MAX_HEAD_BYTES: Final = 64 * 1024
"""Largest request line and headers together."""

MAX_FIELDS: Final = 100
"""Most header fields of a request."""

_AGAIN: Final = [(b"retry-after", b"1")]


@dataclass(frozen=True)
class Refusal:
    """The application that answers what cannot be read, or should not be."""

    status: int
    detail: str

    @property
    def _headers(self) -> list[tuple[bytes, bytes]]:
        body_type = (b"content-type", b"application/problem+json")
        return [body_type, (b"connection", b"close"), *(_AGAIN if self.status == HTTPStatus.SERVICE_UNAVAILABLE else ())]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        response = Response(problem_body(self.status, self.detail), self.status)
        response.raw_headers += [*self._headers, *DATA_HEADERS]
        await response(scope, receive, send)

    def message(self, server_headers: list[tuple[bytes, bytes]]) -> bytes:
        """The answer as it is sent, with `server_headers`."""
        body = problem_body(self.status, self.detail)
        head = [
            f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}".encode(),
            *(name + b": " + value for name, value in (*server_headers, *DATA_HEADERS, *self._headers)),
            f"content-length: {len(body)}".encode(),
        ]
        return b"\r\n".join([*head, b"", body])


UNREADABLE: Final = Refusal(
    400, "The request is not HTTP/1.1: its request line, a header or a chunk of its body cannot be read."
)
NOT_ONE_HOST: Final = Refusal(400, "A request of HTTP/1.1 has the header Host once, with the name of the service.")
OTHER_HOST: Final = Refusal(400, "The request line and the header Host name different services; name one.")
CODED_EARLY: Final = Refusal(400, "HTTP/1.0 has no transfer codings; send the body with a Content-Length, or use HTTP/1.1.")
PADDED: Final = Refusal(400, "The chunks of the body have more bytes around them than in them; send larger chunks.")
TOO_SLOW: Final = Refusal(408, "The request came too slowly, or stopped; send it again, without pauses.")
TOO_LARGE: Final = Refusal(431, f"The request line and the headers have more than {MAX_HEAD_BYTES} bytes; send less in them.")
TOO_MANY_FIELDS: Final = Refusal(431, f"The request has more than {MAX_FIELDS} header fields; send fewer.")
CODED: Final = Refusal(501, "No transfer coding but chunked is understood; send the body without the header Transfer-Encoding.")
TOO_MANY_CONNECTIONS: Final = Refusal(
    503, "The service has as many connections as OPS_MAX_CONNECTIONS allows; close some, or try again later."
)
TOO_MANY_OF_ONE: Final = Refusal(
    503, "Your address has as many connections as OPS_MAX_CONNECTIONS_PER_ADDRESS allows; close some, or use one several times."
)
NO_ROOM: Final = Refusal(
    503, "The requests under way have as many bytes as OPS_MAX_PENDING_BYTES allows; try again when some are answered."
)
