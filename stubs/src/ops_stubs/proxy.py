"""The application of `ops-stubs record`: hands every request on to a service, and keeps the exchange."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import anyio
import anyio.to_thread
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from ops_contract import RefusalError
from ops_stubs.errors import LiveError, RecordingError
from ops_stubs.live_module import LiveModule
from ops_stubs.proxied import MAX_ANSWER_BYTES, MAX_REQUEST_BYTES, Headers, ProxiedExchange, ProxiedFolder, kept_headers
from ops_stubs.request_body import receive as receive_body
from ops_stubs.request_path import target_of
from ops_stubs.responses import json_response, response_of

__all__ = ["create_proxy"]

_TIMEOUT_S: Final = 600.0


class _Proxy:
    def __init__(self, folder: ProxiedFolder) -> None:
        self._folder = folder
        self._writing = anyio.Lock()
        self.service: LiveModule | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request as the service does."""
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except RefusalError as error:
            response = json_response({"detail": error.message}, error.status)
        except LiveError as error:
            response = json_response({"detail": str(error)}, 502)
        except RecordingError as error:
            # The service's own answer would hide that the recording lacks it.
            response = json_response({"detail": f"the answer came, and was not recorded: {error}"}, 507)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        assert self.service is not None  # noqa: S101 - for the type checker
        body = await receive_body(request, MAX_REQUEST_BYTES)
        headers = _headers(request)
        target = target_of(request.scope)
        if not target.startswith("/"):
            raise RefusalError(400, "BAD_TARGET", f"{target[:100]} is not a path; send requests here as to the service itself")
        # Without compression, so that people can read what is kept.
        sent = [pair for pair in kept_headers(headers, secrets=True) if pair[0] != "accept-encoding"]
        answer = await self.service.exchange(
            request.method, target, body, [*sent, ("accept-encoding", "identity")], _TIMEOUT_S, MAX_ANSWER_BYTES
        )
        exchange = ProxiedExchange(request.method, target, headers, body, answer.status, answer.headers, answer.content)
        async with self._writing:
            await anyio.to_thread.run_sync(self._folder.add, exchange)
        return response_of(answer.status, kept_headers(answer.headers, secrets=True), answer.content)


def create_proxy(url: str, folder: ProxiedFolder) -> Starlette:
    """The application that stands before the service at `url`."""
    proxy = _Proxy(folder)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with LiveModule.at(url) as proxy.service:
            yield

    return Starlette(routes=[Mount("/", app=proxy)], lifespan=lifespan)


def _headers(request: Request) -> Headers:
    return tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw)
