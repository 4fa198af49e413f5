"""The orchestrator's transport over one of httpx2's: for modules in this process, scripted or as ASGI applications."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import httpx2

from ops_orchestrator.errors import NetworkError
from ops_orchestrator.modules.transport import BoundedChunks, Response


class Httpx2Transport:
    """Sends requests over `network`, which may be a MockTransport, an ASGITransport, or a real one."""

    def __init__(self, network: httpx2.AsyncBaseTransport) -> None:
        self._network = network

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes, *, limit: int) -> Response:
        """See Transport."""
        with _translated():
            request = httpx2.Request(method, url, headers=dict(headers), content=body)
            response = await self._network.handle_async_request(request)
        response.request = request
        return Response(
            url=str(request.url),
            status=response.status_code,
            headers={name.lower(): value for name, value in response.headers.items()},
            chunks=BoundedChunks(partial(_read, response.aiter_raw()), limit),
            aclose=response.aclose,
        )

    async def aclose(self) -> None:
        """See Transport."""
        await self._network.aclose()


async def _read(chunks: AsyncIterator[bytes]) -> bytes:
    with _translated():
        return await anext(chunks, b"")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise NetworkError(str(error), unsent=isinstance(error, httpx2.ConnectError)) from error
