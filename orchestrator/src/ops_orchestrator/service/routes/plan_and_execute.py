"""`POST /plan_and_execute`: the one way to start a run."""

import asyncio
from collections.abc import Mapping
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from ops_contract import RefusalError, media_type_of, read_body
from ops_orchestrator.errors import InvalidRequestError
from ops_orchestrator.planning.scenario import Scenario, read_scenario
from ops_orchestrator.runs.active_runs import ActiveRuns
from ops_orchestrator.runs.answer import answer
from ops_orchestrator.runs.events import Status
from ops_orchestrator.runs.record import RunRecord
from ops_orchestrator.runs.store.protocols import RunStore
from ops_orchestrator.service.routes.prefer import Preference, read_preference

HTTP_STATUS: Final[Mapping[Status, int]] = {
    "completed": 200,
    "running": 202,
    "cancelled": 409,
    "errored": 500,
    "failed": 502,
    "interrupted": 503,
}
"""HTTP status of the answer by status of the run: "they failed" and "we failed" never share a status."""

_READ_OFF_LOOP_BYTES: Final = 64 * 1024


def plan_and_execute_routes(runs: ActiveRuns, store: RunStore, max_request_bytes: int) -> APIRouter:
    """The route, for runs kept in `store`."""
    router = APIRouter(tags=["runs"])

    @router.post(
        "/plan_and_execute",
        summary="Plan a scenario, execute the plan, keep the run",
        openapi_extra={
            "requestBody": {"required": True, "content": {"application/json": {"schema": Scenario.model_json_schema()}}}
        },
        responses={
            202: {"description": "The run goes on; see Location."},
            502: {"description": "A module failed; the run is kept."},
        },
    )
    async def plan_and_execute(request: Request) -> JSONResponse:
        preference = read_preference(request.headers.getlist("prefer"))
        raw = await _body(request, max_request_bytes)
        # A large body would hold up every other run while it is read.
        scenario = await asyncio.to_thread(read_scenario, raw) if len(raw) > _READ_OFF_LOOP_BYTES else read_scenario(raw)
        run = await runs.start(scenario)
        await run.wait(preference.wait_s)
        record = run.record
        body = answer(record, run.results, f"{store.location(record.run_id)}/")
        return JSONResponse(body, HTTP_STATUS[record.status], _headers(record, preference))

    return router


def _headers(record: RunRecord, preference: Preference) -> dict[str, str]:
    headers = {"Location": f"/runs/{record.run_id}"}
    return headers | ({"Preference-Applied": preference.applied} if preference.applied else {})


async def _body(request: Request, limit: int) -> bytes:
    media_type = media_type_of(request.headers.get("content-type", ""))
    if media_type != "application/json":
        instead = f"not {media_type}" if media_type else "and the request names no content type"
        raise InvalidRequestError(f"The body must be application/json, {instead}.", status=415)
    try:
        announced = request.headers.get("content-length")
        return await read_body(request.stream(), limit, announced=announced, setting="OPS_MAX_REQUEST_BYTES")
    except RefusalError as error:
        raise InvalidRequestError(f"{error.message[0].upper()}{error.message[1:]}.", status=error.status) from error
