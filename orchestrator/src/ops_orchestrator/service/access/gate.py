"""What stands before the service when there are keys: nothing passes that needs a key and has none that counts."""

import re
from collections.abc import Callable
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ops_orchestrator.errors import AccessError
from ops_orchestrator.service.access.access import Access, Admitted
from ops_orchestrator.service.access.admitted_key import with_key
from ops_orchestrator.service.access.needed_scope import READING, needed_scope
from ops_orchestrator.service.problem import problem_response

_IN_ADDRESS: Final = re.compile(rb"ops_[0-9a-f]{8}_[A-Za-z0-9_-]{20,}|(?:^|&)access_token=")
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
            _refuse_unsaid_origin(scope, headers, admitted)
        except AccessError as error:
            await problem_response(Request(scope), error)(scope, receive, send)
            return
        await _while_it_counts(self._app, with_key(scope, admitted.key), receive, send, lambda: self._access.counts(admitted))


def address_of(scope: Scope) -> str:
    """The address from which a request came. What headers say of it is whatever the caller likes."""
    return str(scope["client"][0]) if scope.get("client") else ""


def _refuse_key_in_address(scope: Scope) -> None:
    if scope["query_string"] and _IN_ADDRESS.search(scope["query_string"]):
        detail = (
            "A key does not belong in an address, which logs and histories keep. Revoke it with `ops keys revoke`, "
            "and send the next one as `Authorization: Bearer KEY`."
        )
        raise AccessError(400, "key-in-address", "The address has a key in it", detail)


def _refuse_unsaid_origin(scope: Scope, headers: Headers, admitted: Admitted) -> None:
    """Every browser says which page sent a form; what a page of another site sends is refused further on."""
    if admitted.session is None or scope["method"] in READING or any(name in headers for name in _OF_BROWSERS):
        return
    detail = "A request that changes something came with a cookie, and does not say from which page. Send a key instead."
    raise AccessError(403, "unknown-origin", "The request may come from anywhere", detail)


async def _while_it_counts(app: ASGIApp, scope: Scope, receive: Receive, send: Send, counts: Callable[[], bool]) -> None:
    """Have `app` answer. A stream of events, which may go on for hours, ends when its caller may see it no longer."""
    is_stream = is_over = False

    async def send_it(message: Message) -> None:
        nonlocal is_stream, is_over
        if message["type"] == "http.response.start":
            is_stream = any(name.lower() == b"content-type" and b"event-stream" in value for name, value in message["headers"])
        elif is_stream and not counts():
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
