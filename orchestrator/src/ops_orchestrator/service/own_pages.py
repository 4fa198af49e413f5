"""Requests that change something, sent by a browser: from our own pages only."""

from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from ops_orchestrator.service.problem import problem_response

_SAFE: Final = ("GET", "HEAD", "OPTIONS")
_OUR_OWN: Final = ("same-origin", "none")
_OF_BROWSERS: Final = ("sec-fetch-site", "origin")


class OwnPagesOnly:
    """Refuses what a page of another site has a browser send to `app`, which could start, cancel or resume a run.

    A script of any site can send a POST without a body, and no browser asks us before. Programs send no header that says
    where they come from; they are not refused. Pages of the `origins` are let through as our own.
    """

    def __init__(self, app: ASGIApp, origins: Collection[str] = ()) -> None:
        self._app = app
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "http" and scope["method"] not in _SAFE:
            request = Request(scope)
            if any(name in request.headers for name in _OF_BROWSERS) and request.headers.get("origin") not in self._origins:
                try:
                    refuse_foreign(request)
                except HTTPException as error:
                    await problem_response(request, error)(scope, receive, send)
                    return
        await self._app(scope, receive, send)


def refuse_foreign(request: Request) -> None:
    """Raise HTTPException, 403, unless a page of this service sent the request, whose name is one of ours."""
    if not is_from_own_page(request.headers):
        raise HTTPException(403, "The request was sent by a page of another site. Open the page here, and send it again.")


def is_from_own_page(headers: Headers) -> bool:
    """Whether a page of this service sent the request, as far as its headers say which page did."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    # Browsers that do not say the first say the second with a form; what says neither is no browser.
    return site in _OUR_OWN if site is not None else origin is None or _netloc(origin) == headers.get("host", "")


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""
