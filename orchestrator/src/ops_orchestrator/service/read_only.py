"""A service that only reads: what would start, change or remove anything is refused before anybody looks at it."""

from collections.abc import Collection
from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from ops_orchestrator.errors import ReadOnlyError
from ops_orchestrator.service.problem import problem_response

_READS: Final = ("GET", "HEAD", "OPTIONS")


class ReadOnly:
    """Lets requests that read through to `app`, and those to the paths in `allowed`, which change nothing in the store."""

    def __init__(self, app: ASGIApp, allowed: Collection[str]) -> None:
        self._app = app
        self._allowed = allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "http" and scope["method"] not in _READS and scope["path"] not in self._allowed:
            await problem_response(Request(scope), ReadOnlyError())(scope, receive, send)
            return
        await self._app(scope, receive, send)
