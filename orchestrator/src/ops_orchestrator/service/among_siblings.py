"""The layers by which a worker takes what concerns a run of a sibling's to that one, and does what siblings tell it."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from fastapi import Request
from fastapi.responses import Response
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from ops_orchestrator.errors import UnresponsiveError
from ops_orchestrator.service.problem import problem_response
from ops_orchestrator.service.sibling_requests import CALLER, NOT_HERE, RUN, is_from_sibling
from ops_orchestrator.service.siblings import Siblings

_TOLD: Final = 204
# What is answered from memory while a run goes on.
_LIVE: Final = re.compile(r"/runs/(?P<run_id>[^/]+)(/results|/events)?")


class ToldBySiblings:
    """Does what a sibling tells, see `Siblings.tell`, and lets `app` answer all else; `told` is what to do, by path.

    It stands before whatever looks at callers: only siblings reach the socket, and what they tell is in nobody's name.
    """

    def __init__(self, app: ASGIApp, told: Mapping[str, Callable[[], Awaitable[None]]]) -> None:
        self._app = app
        self._told = told

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        act = self._told.get(scope["path"]) if scope["type"] == "http" and is_from_sibling(scope) else None
        if act is None:
            await self._app(scope, receive, send)
            return
        await act()
        await Response(status_code=_TOLD)(scope, receive, send)


class AmongSiblings:
    """Passes on to siblings what only they know of a run, and lets what they pass on through to `app`, if the run is here.

    The paths `of_workers` concern no run, and each worker has an answer of its own for the others.
    """

    def __init__(self, app: ASGIApp, siblings: Siblings, of_workers: frozenset[str] = frozenset()) -> None:
        self._app = app
        self._siblings = siblings
        self._of_workers = of_workers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "http":
            if is_from_sibling(scope) and scope["path"] not in self._of_workers:
                headers = Headers(scope=scope)
                if not self._siblings.is_here(headers.get(RUN, "")):
                    await Response(status_code=NOT_HERE)(scope, receive, send)
                    return
                scope = {**scope, "client": (headers.get(CALLER, ""), 0)}
            elif live := _LIVE.fullmatch(scope["path"]):
                answer = await self._passed_on(Request(scope), live["run_id"])
                if answer is not None:
                    await answer(scope, receive, send)
                    return
        await self._app(scope, receive, send)

    async def _passed_on(self, request: Request, run_id: str) -> Response | None:
        try:
            return await self._siblings.answer(request, run_id)
        except UnresponsiveError as error:
            # Record and log are in the run's folder, as far as they were written; results come there with the end.
            return problem_response(request, error) if request.url.path.endswith("/results") else None
