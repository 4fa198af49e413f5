"""`POST /plan_and_execute`: the one way to start a run."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.datastructures import Headers

from ops_contract import Problem, RefusalError, check_request_headers, media_type_of, read_body
from ops_orchestrator.errors import InvalidRequestError, UnresponsiveError
from ops_orchestrator.modules.trace_context import TRACE_HEADER, read_traceparent
from ops_orchestrator.off_loop import off_loop_if_large
from ops_orchestrator.planning.scenario import Scenario, read_scenario
from ops_orchestrator.runs.events import NO_ORIGIN, Origin
from ops_orchestrator.runs.record import RunRecord
from ops_orchestrator.runs.store.protocols import RunStore
from ops_orchestrator.runs.under_way import Runs, RunUnderWay
from ops_orchestrator.service.access.admitted_key import caller_of
from ops_orchestrator.service.hot_route import Answer
from ops_orchestrator.service.openapi import EXAMPLE_SCENARIO, Responses, header, json_of, problems
from ops_orchestrator.service.routes.prefer import Preference, read_preference
from ops_orchestrator.service.run_answer import RUN_RESPONSES, answer_when_over
from ops_orchestrator.service.siblings import Siblings

PATH: Final = "/plan_and_execute"
_LONGEST_KEY: Final = 255
# How much later than the caller wants an answer may come that another worker makes.
_ON_THE_WAY_S: Final = 1.0
_REQUEST: Final = {"application/json": {**json_of(Scenario)["application/json"], "example": EXAMPLE_SCENARIO}}
_RESPONSES: Final[Responses] = RUN_RESPONSES | problems(400, 413, 415, 422)


@dataclass(frozen=True)
class Started:
    """Answers requests that start a run in `runs`, or find one that `siblings` execute; all are kept in `store`."""

    runs: Runs
    store: RunStore
    siblings: Siblings

    async def answer(self, request: Request, raw: bytes, run: RunUnderWay | RunRecord, preference: Preference) -> Response:
        """The answer about the run to a request with the body `raw`; a record is that of a run found by its key."""
        if isinstance(run, RunRecord):
            within_s = None if preference.wait_s is None else preference.wait_s + _ON_THE_WAY_S
            # One that hangs leaves what is stored of the run.
            with suppress(UnresponsiveError):
                if (answer := await self.siblings.answer(request, run.run_id, raw, within_s=within_s)) is not None:
                    return answer
                run = await self.runs.wait_elsewhere(run, preference.wait_s)
        return await answer_when_over(run, self.store, preference)


def plan_and_execute_answer(started: Started, max_request_bytes: int, max_request_values: int) -> Answer:
    """What answers the request."""
    runs = started.runs

    async def plan_and_execute(request: Request) -> Response:
        preference = read_preference(request.headers.getlist("prefer"))
        key = read_key(request.headers.getlist("idempotency-key"))
        raw = await read_json_body(request, max_request_bytes)
        scenario = await off_loop_if_large(lambda: read_scenario(raw, max_values=max_request_values), len(raw))
        traceparent, caller = read_traceparent(request.headers.getlist(TRACE_HEADER)), caller_of(request.scope)
        origin = NO_ORIGIN if traceparent is None and caller is None else Origin(traceparent=traceparent, caller=caller)
        run = await (runs.start(scenario, origin=origin) if key is None else runs.start_once(scenario, key, origin=origin))
        return await started.answer(request, raw, run, preference)

    return plan_and_execute


def plan_and_execute_routes(answer: Answer) -> APIRouter:
    """The route as the OpenAPI document describes it; see HotRoute for where it is answered."""
    router = APIRouter(tags=["runs"])
    router.add_api_route(
        PATH,
        answer,
        methods=["POST"],
        name="plan_and_execute",
        summary="Plan a scenario, execute the plan, keep the run",
        responses=_RESPONSES,
        openapi_extra={
            "parameters": [
                header(TRACE_HEADER, "the span of the caller (W3C Trace Context), to whose trace the run then belongs"),
                header("Prefer", "respond-async, or wait=N to wait for at most N seconds"),
                header("Idempotency-Key", "1 to 255 characters; a request that is repeated with it gets the first run"),
            ],
            "requestBody": {"required": True, "content": _REQUEST},
        },
    )
    return router


def read_key(values: list[str]) -> str | None:
    """The idempotency key of a request, None when it has none. Raises InvalidRequestError."""
    if not values:
        return None
    if len(values) > 1 or not 1 <= len(values[0]) <= _LONGEST_KEY or not values[0].isprintable():
        rule = f"must be given once, with 1 to {_LONGEST_KEY} printable characters"
        raise InvalidRequestError("A header cannot be used.", [Problem("Idempotency-Key", rule)])
    return values[0]


async def read_json_body(request: Request, limit: int) -> bytes:
    """The body of a request, announced as JSON, of at most `limit` bytes. Raises InvalidRequestError: 400, 413 or 415."""
    _check_type(request.headers)
    try:
        # A compressed body is not read: what it takes in memory would be known only afterwards.
        check_request_headers({name: _joined(request.headers, name) for name in ("content-type", "content-encoding")})
        announced = request.headers.get("content-length")
        return await read_body(request.stream(), limit, announced=announced, setting="OPS_MAX_REQUEST_BYTES")
    except RefusalError as error:
        raise InvalidRequestError(f"{error.message[0].upper()}{error.message[1:]}.", status=error.status) from error


def _check_type(headers: Headers) -> None:
    """Raise InvalidRequestError unless the body is announced as JSON."""
    media_type = media_type_of(_joined(headers, "content-type"))
    if media_type != "application/json":
        instead = f"not {media_type}" if media_type else "and the request names no content type"
        raise InvalidRequestError(f"The body must be application/json, {instead}.", status=415)


def _joined(headers: Headers, name: str) -> str:
    """The different values of a header, as if they had been sent in one."""
    return ", ".join(dict.fromkeys(headers.getlist(name)))
