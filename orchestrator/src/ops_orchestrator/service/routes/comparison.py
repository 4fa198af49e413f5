"""`GET /runs/{a}/diff/{b}`: what differs between two runs, and why."""

import asyncio
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import PlainTextResponse, Response

from ops_contract import terminal_safe
from ops_orchestrator.runs.comparison.diff import RunDiff, diff_runs
from ops_orchestrator.runs.comparison.grades import Tolerance, Tolerances
from ops_orchestrator.runs.comparison.text import text_of
from ops_orchestrator.runs.store.protocols import RunStore
from ops_orchestrator.service.accept import preferred
from ops_orchestrator.service.openapi import header, problems, response_header
from ops_orchestrator.service.routes.parameters import refuse_unusable_parameters

_JSON: Final = "application/json"
_TEXT: Final = "text/plain"
_VARIES: Final = {"Vary": "Accept"}
_ANSWER: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "What differs, as JSON or as text for people.",
        "headers": {"Vary": response_header("Accept")},
        "content": {_TEXT: {"schema": {"type": "string"}}},
    }
}


def comparison_routes(store: RunStore) -> APIRouter:
    """The routes that compare runs in `store`."""
    router = APIRouter(prefix="/runs", tags=["runs"])

    @router.get(
        "/{a}/diff/{b}",
        summary="What differs between two runs, and why: grades per step, values, artifacts, evidence",
        response_model=RunDiff,
        responses=_ANSWER | problems(404, 422, 500, 503),
        openapi_extra={"parameters": [header("Accept", "text/plain for text that people read, else JSON")]},
    )
    async def diff(
        request: Request,
        a: str,
        b: str,
        rel: Annotated[float, Query(ge=0, allow_inf_nan=False, description="a share of the larger of two numbers")] = 0.0,
        abs: Annotated[float, Query(ge=0, allow_inf_nan=False, description="how far apart numbers may be")] = 0.0,  # noqa: A002
    ) -> Response:
        refuse_unusable_parameters(request, ("rel", "abs"), "comparison")
        as_text = preferred(request.headers.getlist("accept"), (_JSON, _TEXT)) == _TEXT
        # What is on disk is compared, also of a run that goes on: its log is there as far as the run is.
        work = _text if as_text else _json
        return await asyncio.to_thread(work, store, a, b, Tolerances(Tolerance(rel, abs)))

    return router


def _json(store: RunStore, a: str, b: str, tolerances: Tolerances) -> Response:
    found = diff_runs(store.run(a), store.run(b), tolerances)
    content = terminal_safe(found.model_dump_json(exclude_unset=True).encode())
    return Response(content, headers=_VARIES, media_type=_JSON)


def _text(store: RunStore, a: str, b: str, tolerances: Tolerances) -> Response:
    return PlainTextResponse(text_of(diff_runs(store.run(a), store.run(b), tolerances)), headers=_VARIES)
