"""What we ask of an HTTP library: one method that sends a request and gives a response within limits."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, Self

from ops_orchestrator.errors import ResponseTooLargeError


@dataclass(frozen=True, kw_only=True)
class Response:
    """An answer whose body is still on its way.

    `url` is the address as it went over the wire. Header names are in lower case, and the values of a repeated header are
    joined by commas. `chunks` can be read once, and is the body as it was sent, never decompressed. `aclose` ends the response;
    before the body is read to its end, it closes the connection.
    """

    url: str
    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]
    aclose: Callable[[], Awaitable[None]]


class Transport(Protocol):
    """Sends requests over connections that it keeps open from one request to the next.

    It follows no redirect, keeps no cookie, uses no proxy, lets no request wait for others to end, and bounds no time:
    callers use `asyncio.timeout`.
    """

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes, *, limit: int) -> Response:
        """Send one request and open its response, which the caller closes; an empty `body` sends none.

        Raises NetworkError when no whole response arrives, ResponseTooLargeError when its body has more than `limit` bytes or
        its header, or the number of interim answers (1xx) before it, exceeds the limits of the contract. So does reading.
        """
        ...

    async def aclose(self) -> None:
        """Close the kept connections; a request after that is a NetworkError."""
        ...


class BoundedChunks:
    """The chunks that `read` gives until it gives an empty one. Raises ResponseTooLargeError beyond `limit` bytes in all.

    Not a generator: the event loop keeps account of each of those, which costs a tenth of a request.
    """

    def __init__(self, read: Callable[[], Awaitable[bytes]], limit: int) -> None:
        self._read = read
        self._limit = limit
        self._size = 0

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        chunk = await self._read()
        if not chunk:
            raise StopAsyncIteration
        self._size += len(chunk)
        if self._size > self._limit:
            raise ResponseTooLargeError(self._limit)
        return chunk
