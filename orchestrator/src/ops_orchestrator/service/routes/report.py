"""`GET /runs/{run_id}/report.html`: a run as one HTML file that loads nothing and runs nothing."""

import asyncio
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from ops_orchestrator.runs.store.protocols import RunStore
from ops_orchestrator.service.openapi import problems, stored
from ops_orchestrator.service.security_headers import INERT
from ops_orchestrator.service.stored_file import StoredFile, respond_with

_MEDIA_TYPE: Final = "text/html; charset=utf-8"
_ANSWERS: Final[dict[str, Any]] = stored({"text/html": {"schema": {"type": "string"}}}, "The report.")


def report_routes(store: RunStore) -> APIRouter:
    """The route, for the runs in `store`."""
    router = APIRouter(prefix="/runs", tags=["runs"])

    @router.get(
        "/{run_id}/report.html",
        summary="The report of a run that is over: one HTML file that loads nothing and runs nothing",
        **{**_ANSWERS, "responses": _ANSWERS["responses"] | problems(409)},
    )
    async def get_report(request: Request, run_id: str) -> Response:
        # The templates take a tenth of a second to load, which the start of the service should not wait for.
        from ops_orchestrator.runs.reports.html.report import html_report  # noqa: PLC0415  # see above

        content = await asyncio.to_thread(lambda: html_report(store.run(run_id)))
        file = StoredFile.made(content, _MEDIA_TYPE)
        return respond_with(file, request, {"Content-Security-Policy": INERT})

    return router
