"""Scripts of other origins: those that the operator names may use the API from a browser (Fetch Standard, section 3.2)."""

from collections.abc import Collection
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PREFLIGHT: Final = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, Prefer, Range",
    "Access-Control-Max-Age": "600",
}
_EXPOSED: Final = (
    "Allow, Content-Disposition, Content-Range, ETag, Link, Location, Preference-Applied, Retry-After, WWW-Authenticate"
)
_VARY: Final = "Origin"


class CrossOrigin:
    """Lets scripts of exactly the `origins` read what `app` answers. Cookies are never taken from them."""

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        self._app = app
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        known = origin if origin in self._origins else None
        if known and scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            allowed = {"Access-Control-Allow-Origin": known, "Vary": _VARY, **_PREFLIGHT}
            await Response(status_code=204, headers=allowed)(scope, receive, send)
            return

        async def send_it(message: Message) -> None:
            if message["type"] == "http.response.start":
                answered = MutableHeaders(scope=message)
                answered.add_vary_header(_VARY)
                if known:
                    answered["Access-Control-Allow-Origin"] = known
                    answered["Access-Control-Expose-Headers"] = _EXPOSED
            await send(message)

        await self._app(scope, receive, send_it)
