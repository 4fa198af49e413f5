"""The transport over aiohttp, which was the fastest library by measurement (`benchmarks/http_client.py`)."""

import os
from collections.abc import Iterable, Mapping
from functools import lru_cache, partial
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from ops_contract import MAX_HEADER_BYTES, MAX_HEADER_FIELDS, MAX_INTERIM_ANSWERS, request_target
from ops_orchestrator.errors import NetworkError, ResponseTooLargeError
from ops_orchestrator.modules.aiohttp_connection import TooManyInterimAnswersError
from ops_orchestrator.modules.aiohttp_connector import LONGEST_USED_S, Connector
from ops_orchestrator.modules.transport import BoundedChunks, Response

_REASON_CHARACTERS: Final = 300
# ValueErrors come from what cannot be encoded or decoded.
_ERRORS: Final = (aiohttp.ClientError, OSError, ValueError)


class AiohttpTransport:
    """See Transport. `resolver` looks names up; a connection is used for new requests for up to `longest_used_s` seconds."""

    def __init__(self, resolver: AbstractResolver | None = None, longest_used_s: float = LONGEST_USED_S) -> None:
        self._resolver = resolver
        self._longest_used_s = longest_used_s
        self._opened: aiohttp.ClientSession | None = None

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes, *, limit: int) -> Response:
        """See Transport."""
        if self._session.closed:
            raise NetworkError("the connections to modules are closed", unsent=True)
        try:
            address = _as_written(url)
            response = await self._session.request(method, address, headers=headers, data=body or None, allow_redirects=False)
        except _ERRORS as error:
            raise _translated(error) from error
        return Response(
            url=str(response.url),
            status=response.status,
            headers=_headers(response.raw_headers),
            chunks=BoundedChunks(partial(_read, response.content), limit),
            aclose=partial(_close, response),
        )

    async def aclose(self) -> None:
        """See Transport."""
        if self._opened is not None:
            await self._opened.close()

    @property
    def _session(self) -> aiohttp.ClientSession:
        # aiohttp's session belongs to the event loop that runs when it is made, so the first request makes it.
        if self._opened is None:
            self._opened = aiohttp.ClientSession(
                connector=Connector(self._resolver, self._longest_used_s),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(),  # without arguments none is set; aiohttp's own default is 5 minutes
                auto_decompress=False,
                max_line_size=MAX_HEADER_BYTES,
                max_field_size=MAX_HEADER_BYTES,
                max_headers=MAX_HEADER_FIELDS,
                skip_auto_headers=("content-type",),  # nobody but the caller knows of what type a body is
            )
        return self._opened


async def _read(content: aiohttp.StreamReader) -> bytes:
    try:
        return await content.readany()
    except _ERRORS as error:
        raise _translated(error) from error


async def _close(response: aiohttp.ClientResponse) -> None:
    response.release()
    await response.wait_for_close()


@lru_cache(maxsize=128)
def _as_written(url: str) -> URL:
    """The address whose host yarl encodes, and whose path it would rewrite, for example %3B to a semicolon."""
    scheme, _, rest = url.partition("://")
    netloc, slash, target = rest.partition("/")
    return URL(f"{URL(f'{scheme}://{netloc}')}{request_target(slash + target)}", encoded=True)


def _headers(fields: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for field, content in fields:
        name, value = field.decode("latin-1").lower(), _decoded(content)
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _decoded(value: bytes) -> str:
    """A header's value as text. aiohttp's own decoding leaves surrogates, which no JSON document can hold."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _translated(error: Exception) -> NetworkError | ResponseTooLargeError:
    complaint = _complaint(error)
    if isinstance(error, TooManyInterimAnswersError):
        return ResponseTooLargeError(MAX_INTERIM_ANSWERS, "interim answers (1xx)")
    if complaint.startswith("Got more than "):
        return ResponseTooLargeError(MAX_HEADER_BYTES, "bytes of one header field")
    if complaint == "Too many headers received":
        return ResponseTooLargeError(MAX_HEADER_FIELDS, "header fields")
    return NetworkError(_reason(error), unsent=isinstance(error, aiohttp.ClientConnectorError))


def _complaint(error: Exception) -> str:
    """What aiohttp's parser says of an answer; empty when it is not what failed."""
    found = error.__cause__ if isinstance(error, aiohttp.ClientPayloadError) else error
    return str(getattr(found, "message", ""))


def _reason(error: Exception) -> str:
    """What went wrong, in plain words on one line."""
    match error:
        case aiohttp.ClientConnectorDNSError():
            reason = f"the host name {error.host!r} is not known"
        case aiohttp.ClientSSLError():  # its errno is OpenSSL's and not the system's
            reason = f"the TLS handshake failed: {error.os_error}"
        case OSError(errno=int(number)):
            reason = os.strerror(number)
        case aiohttp.ClientPayloadError():
            reason = f"the answer did not arrive whole: {_complaint(error) or error}"
        case aiohttp.ClientResponseError():
            reason = f"the answer is not valid HTTP: {_complaint(error)}"
        case aiohttp.ClientConnectionError():
            reason = "the connection was closed before an answer came"
        case _:
            reason = str(error) or type(error).__name__
    return " ".join(reason.split())[:_REASON_CHARACTERS]
