"""`POST /runs/{id}/reproduce`: run a stored run again, and grade how much alike its results are."""

import asyncio
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from ops_orchestrator.modules.registration import Registration
from ops_orchestrator.modules.trace_context import TRACE_HEADER, read_traceparent
from ops_orchestrator.runs.events import Origin
from ops_orchestrator.runs.record import RunRecord
from ops_orchestrator.runs.reproduction import recipe_of
from ops_orchestrator.runs.store.protocols import RunStore
from ops_orchestrator.runs.under_way import Runs, RunUnderWay
from ops_orchestrator.service.access.admitted_key import caller_of
from ops_orchestrator.service.openapi import header, json_of, problems
from ops_orchestrator.service.reproduction_request import ReproductionRequest, read_reproduction_request
from ops_orchestrator.service.routes.plan_and_execute import Started, read_json_body, read_key
from ops_orchestrator.service.routes.prefer import read_preference
from ops_orchestrator.service.run_answer import RUN_RESPONSES

_EXTRA: Final[dict[str, Any]] = {
    "parameters": [
        header(TRACE_HEADER, "the span of the caller (W3C Trace Context), to whose trace the run then belongs"),
        header("Prefer", "respond-async, or wait=N to wait for at most N seconds"),
        header("Idempotency-Key", "1 to 255 characters; a request that is repeated with it gets the first run"),
    ],
    "requestBody": {"required": False, "content": json_of(ReproductionRequest)},
}


def reproduction_routes(
    runs: Runs, store: RunStore, started: Started, registration: Registration, max_request_bytes: int
) -> APIRouter:
    """The route, for runs kept in `store` and the modules of `registration`."""
    router = APIRouter(prefix="/runs", tags=["runs"])

    @router.post(
        "/{run_id}/reproduce",
        summary="Run it again from its record, and grade the results; 200 whatever the grade",
        responses=RUN_RESPONSES | problems(400, 404, 413, 415, 422),
        openapi_extra=_EXTRA,
    )
    async def reproduce_run(request: Request, run_id: str) -> Response:
        preference = read_preference(request.headers.getlist("prefer"))
        key = read_key(request.headers.getlist("idempotency-key"))
        raw = await read_json_body(request, max_request_bytes) if _has_body(request) else b""
        wanted = read_reproduction_request(raw)
        recipe = await asyncio.to_thread(recipe_of, store.run(run_id), registration.catalogue, wanted.terms, pin=wanted.pin)
        traceparent, caller = read_traceparent(request.headers.getlist(TRACE_HEADER)), caller_of(request.scope)
        origin = Origin(reproduces=run_id, reproduction=wanted.terms, traceparent=traceparent, caller=caller)
        if key is None:
            run: RunUnderWay | RunRecord = await runs.start(recipe.scenario, catalogue=recipe.catalogue, origin=origin)
        else:
            run = await runs.start_once(recipe.scenario, key, catalogue=recipe.catalogue, origin=origin)
        return await started.answer(request, raw, run, preference)

    return router


def _has_body(request: Request) -> bool:
    headers = request.headers
    return "content-type" in headers or "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
