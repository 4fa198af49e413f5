"""Who gets a page: callers that prefer HTML. Everybody else gets the API, at the same addresses."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ops_orchestrator.service.accept import preferred

_OFFERED: Final = ("application/json", "text/html")

_ASSETS: Final = "/assets/"
_ONLY_PAGES: Final = ("/docs", "/login", "/logout")

Pages = Callable[[], ASGIApp]
"""Makes the pages, when the first of them is wanted."""


class PagesFirst:
    """Lets the pages of `site` answer callers that prefer HTML, and `app` all others.

    The pages are loaded for the first caller who wants one: a service that only programs call never needs them.
    """

    def __init__(self, app: ASGIApp, site: Callable[[ASGIApp], ASGIApp]) -> None:
        self._app = app
        self._make: Pages = partial(site, app)
        self._site: ASGIApp | None = None
        self._loading = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if not _is_for_pages(scope):
            await self._app(scope, receive, _with_vary(send))
            return
        await (await self._loaded())(scope, receive, _with_vary(send))

    async def _loaded(self) -> ASGIApp:
        async with self._loading:
            if self._site is None:
                self._site = await asyncio.to_thread(self._make)
        return self._site


def _is_for_pages(scope: Scope) -> bool:
    """Whether the caller wants a page, or the address has nothing else."""
    return scope["path"] in _ONLY_PAGES or scope["path"].startswith(_ASSETS) or prefers_page(scope)


def prefers_page(scope: Scope) -> bool:
    """Whether the caller is a browser that shows what it gets, and no program."""
    return preferred(Headers(scope=scope).getlist("accept"), _OFFERED) == "text/html"


def _with_vary(send: Send) -> Callable[[Message], Awaitable[None]]:
    """`send`, which also says that the answer depends on Accept."""

    async def send_it(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            if "accept" not in [name.strip().lower() for name in headers.get("vary", "").split(",")]:
                headers.add_vary_header("Accept")
        await send(message)

    return send_it
