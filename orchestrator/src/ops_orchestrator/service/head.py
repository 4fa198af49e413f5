"""`HEAD` wherever there is `GET`: the same answer without its body (RFC 9110, section 9.1)."""

from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

_ORIGINAL_METHOD: Final = "ops.original_method"


class HeadAsGet:
    """Lets `app` answer `HEAD` as it answers `GET`; the server leaves the body out."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope = {**scope, "method": "GET", _ORIGINAL_METHOD: "HEAD"}
        await self._app(scope, receive, send)


def is_head(scope: Scope) -> bool:
    """Whether the caller wants no body, so that none need be read."""
    return scope.get(_ORIGINAL_METHOD) == "HEAD"


def with_head(allow: str) -> str:
    """The value of `Allow` for the methods in `allow`, with HEAD where there is GET."""
    methods = {method.strip() for method in allow.split(",")}
    return ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))
