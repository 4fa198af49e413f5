"""`POST /plan_and_execute`: the one way to start a run."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic_core import to_json

from ops_contract import RefusalError, media_type_of, read_body
from ops_orchestrator.errors import InvalidRequestError
from ops_orchestrator.off_loop import off_loop_if_large
from ops_orchestrator.planning.scenario import Scenario, read_scenario
from ops_orchestrator.runs.active_runs import ActiveRuns
from ops_orchestrator.runs.answer import answer
from ops_orchestrator.runs.events import Status
from ops_orchestrator.runs.record import RunRecord
from ops_orchestrator.runs.store.protocols import RunStore
from ops_orchestrator.service.answers import RunAnswer
from ops_orchestrator.service.openapi import EXAMPLE_SCENARIO, PROBLEM, Responses, header, json_of, problems, response_header
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

_REQUEST: Final = {"application/json": {**json_of(Scenario)["application/json"], "example": EXAMPLE_SCENARIO}}
_ANSWERED: Final[dict[str, Any]] = {
    "content": json_of(RunAnswer),
    "headers": {
        "Location": response_header("the run's record"),
        "Preference-Applied": response_header("what was done of Prefer"),
    },
    "links": {
        name: {"operationId": name, "parameters": {"run_id": "$response.body#/run_id"}}
        for name in ("get_run", "get_results", "get_logs", "get_events", "list_artifacts")
    },
}
_BUSY: Final = {"Retry-After": response_header("seconds; when too many runs are under way")}
_RESPONSES: Final[Responses] = {
    200: {"description": "The run completed.", **_ANSWERED},
    202: {"description": "The run goes on; see Location.", **_ANSWERED},
    502: {"description": "A module failed; the run is kept.", **_ANSWERED},
    500: {"description": "The orchestrator failed; its log has the details.", "content": json_of(RunAnswer) | PROBLEM},
    503: {
        "description": "Too many runs are under way, the run store cannot be used, or the service is stopping.",
        "content": json_of(RunAnswer) | PROBLEM,
        "headers": _BUSY,
    },
    **problems(400, 413, 415, 422),
}


def plan_and_execute_routes(runs: ActiveRuns, store: RunStore, max_request_bytes: int, max_request_values: int) -> APIRouter:
    """The route, for runs kept in `store`."""
    router = APIRouter(tags=["runs"])

    @router.post(
        "/plan_and_execute",
        summary="Plan a scenario, execute the plan, keep the run",
        responses=_RESPONSES,
        openapi_extra={
            "parameters": [header("Prefer", "respond-async, or wait=N to wait for at most N seconds")],
            "requestBody": {"required": True, "content": _REQUEST},
        },
    )
    async def plan_and_execute(request: Request) -> Response:
        preference = read_preference(request.headers.getlist("prefer"))
        raw = await _body(request, max_request_bytes)
        scenario = await off_loop_if_large(lambda: read_scenario(raw, max_values=max_request_values), len(raw))
        run = await runs.start(scenario)
        await run.wait(preference.wait_s)
        record = run.record
        body = answer(record, run.results, f"{store.location(record.run_id)}/")
        # Results may be large.
        content = await asyncio.to_thread(to_json, body)
        return Response(content, HTTP_STATUS[record.status], _headers(record, preference), "application/json")

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
