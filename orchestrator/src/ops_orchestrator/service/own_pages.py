"""Requests that change something, sent by a browser: from our own pages only."""

import ipaddress
from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

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
    where they come from; they are not refused.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "http" and scope["method"] not in _SAFE:
            request = Request(scope)
            if any(name in request.headers for name in _OF_BROWSERS):
                try:
                    refuse_foreign(request, self._hosts)
                except HTTPException as error:
                    await problem_response(request, error)(scope, receive, send)
                    return
        await self._app(scope, receive, send)


def refuse_foreign(request: Request, hosts: Collection[str]) -> None:
    """Raise HTTPException, 403, unless a page of this service sent the request.

    `hosts` are the names by which the service may be called, beside addresses and localhost.
    """
    host = request.headers.get("host", "")
    if not _is_known(host, hosts):
        message = f"This service is not known as {host!r:.200}, so that the request may come from anywhere."
        raise HTTPException(403, f"{message} Add the name to OPS_HOSTS if it is right.")
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    # Browsers that do not say the first say the second with a form; what says neither is no browser.
    is_ours = site in _OUR_OWN if site is not None else origin is None or _netloc(origin) == host
    if not is_ours:
        raise HTTPException(403, "The request was sent by a page of another site. Open the page here, and send it again.")


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _is_known(host: str, hosts: Collection[str]) -> bool:
    """Whether `host`, with or without a port, is an address or a name of ours. Any name may lead to our address."""
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    if name == "localhost" or name.endswith(".localhost") or name in hosts:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
