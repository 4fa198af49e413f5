"""What stands before the service when there are keys: nothing passes that needs a key and has none that counts."""

import re
from collections.abc import Awaitable, Callable, Mapping
from html import escape
from typing import Any, Final
from urllib.parse import quote, unquote_to_bytes, urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ops_orchestrator.errors import AccessError
from ops_orchestrator.service.access.access import Access, Admitted
from ops_orchestrator.service.access.admitted_key import with_key
from ops_orchestrator.service.access.needed_scope import READING, needed_scope
from ops_orchestrator.service.own_pages import is_from_own_page
from ops_orchestrator.service.pages.negotiation import prefers_page
from ops_orchestrator.service.problem import problem_response

_IN_ADDRESS: Final = re.compile(rb"ops_[0-9a-f]{8}_[A-Za-z0-9_-]{20,}|[?&]access_token=")
REFUSED: Final = "/refused"
"""The page of a request that was refused; nobody can ask for it."""

_REFUSAL: Final = "ops.refusal"
_UNAUTHORIZED: Final = 401
_SEE_OTHER: Final = 303
_ELSEWHERE: Final = ("cross-site", "same-site")
_LEADS_ON: Final = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>OpenPolicyStack</title>'
    '<meta http-equiv="refresh" content="0; url={0}"><p><a href="{0}">Go on</a></p>'
)
_OF_BROWSERS: Final = ("origin", "sec-fetch-site")


class Gate:
    """Lets a request through to `app` when its caller may make it, and says in its scope whose key it came with."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        needed = needed_scope(scope["method"], scope["path"]) if scope["type"] == "http" else None
        if needed is None:
            await self._app(scope, receive, send)
            return
        try:
            _refuse_key_in_address(scope)
            headers = Headers(scope=scope)
            admitted = await self._access.admitted(headers, address_of(scope))
            if not admitted.key.may(needed):
                raise AccessError.forbidden(needed, admitted.key.scope)
            _refuse_foreign_cookie(scope, headers, admitted)
        except AccessError as error:
            await self._refused(scope, receive, send, error)
            return
        await _while_it_counts(self._app, with_key(scope, admitted.key), receive, send, lambda: self._access.counts(admitted))

    async def _refused(self, scope: Scope, receive: Receive, send: Send, error: AccessError) -> None:
        """Say why not: to a program in a problem document, to a browser on a page, or with the form to log in."""
        if not prefers_page(scope):
            await problem_response(Request(scope), error)(scope, receive, send)
        elif error.status == _UNAUTHORIZED:
            await _to_login(scope)(scope, receive, send)
        else:
            page = {"method": "GET", "path": REFUSED, "raw_path": REFUSED.encode(), _REFUSAL: (scope["path"], error)}
            await self._app({**scope, **page}, receive, send)


def refusal_of(scope: Mapping[str, Any]) -> tuple[str, AccessError] | None:
    """The path of a request that was refused, and why; None for any other."""
    refusal: tuple[str, AccessError] | None = scope.get(_REFUSAL)
    return refusal


def says_where_it_is_from(headers: Headers) -> bool:
    """Whether a request says which page sent it, as every browser does of a form."""
    return any(name in headers for name in _OF_BROWSERS)


def address_of(scope: Scope) -> str:
    """The address from which a request came. What headers say of it is whatever the caller likes."""
    return str(scope["client"][0]) if scope.get("client") else ""


def _refuse_key_in_address(scope: Scope) -> None:
    if _IN_ADDRESS.search(unquote_to_bytes(b"%s?%s" % (scope["raw_path"], scope["query_string"]))):
        detail = (
            "A key does not belong in an address, which logs and histories keep. Revoke it with `ops keys revoke`, "
            "and send the next one as `Authorization: Bearer KEY`."
        )
        raise AccessError(400, "key-in-address", "The address has a key in it", detail)


def _refuse_foreign_cookie(scope: Scope, headers: Headers, admitted: Admitted) -> None:
    """A cookie counts from our own pages alone: also pages of an origin that may use the API have to send a key.

    Every browser says which page sent a form, or a request whose answer a page of another origin could read.
    """
    if admitted.session is None:
        return
    if not says_where_it_is_from(headers):
        if scope["method"] not in READING:
            detail = (
                "A request that changes something came with a cookie, and does not say from which page. Send a key instead."
            )
            raise AccessError(403, "unknown-origin", "The request may come from anywhere", detail)
    elif (scope["method"] not in READING or "origin" in headers) and not is_from_own_page(headers):
        detail = "The request came with a cookie, and from a page of another origin. Send a key instead."
        raise AccessError(403, "foreign-origin", "The request comes from another origin", detail)


def _to_login(scope: Scope) -> Response:
    """Lead a browser to the form to log in, from which it comes back."""
    headers = Headers(scope=scope)
    if scope["method"] not in READING:
        return _see(f"/login?lost=&next={quote(_page_of(headers), safe='')}")
    wanted = quote(scope["path"]) + (f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else "")
    if headers.get("sec-fetch-site") in _ELSEWHERE:
        # A link from elsewhere brings no cookie that is strict. A page of ours that leads on brings it.
        # The dot keeps a path that begins with two slashes from being the address of another host (RFC 3986, section 4.2).
        page = _LEADS_ON.format(escape(f"/.{wanted}" if wanted.startswith("//") else wanted))
        return HTMLResponse(page, headers={"Content-Security-Policy": "default-src 'none'", "Cache-Control": "no-store"})
    return _see(f"/login?next={quote(wanted, safe='')}")


def _see(address: str) -> Response:
    return RedirectResponse(address, _SEE_OTHER, {"Cache-Control": "no-store"})


def _page_of(headers: Headers) -> str:
    """The page from which a form was sent, if it is one of ours."""
    try:
        page = urlsplit(headers.get("referer", ""))
    except ValueError:
        return "/"
    own = page.netloc == headers.get("host") and page.path
    return f"{page.path}{f'?{page.query}' if page.query else ''}" if own else "/"


async def _while_it_counts(
    app: ASGIApp, scope: Scope, receive: Receive, send: Send, counts: Callable[[], Awaitable[bool]]
) -> None:
    """Have `app` answer. A stream of events, which may go on for hours, ends when its caller may see it no longer."""
    is_stream = is_over = False

    async def send_it(message: Message) -> None:
        nonlocal is_stream, is_over
        if message["type"] == "http.response.start":
            is_stream = any(name.lower() == b"content-type" and b"event-stream" in value for name, value in message["headers"])
        elif is_stream and not await counts():
            is_over = True
            raise _OverError
        await send(message)

    try:
        await app(scope, receive, send_it)
    except Exception:
        if not is_over:
            raise
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class _OverError(Exception):
    """Ends an answer from within."""
