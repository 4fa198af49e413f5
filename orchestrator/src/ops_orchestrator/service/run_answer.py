"""The answer about a run: its HTTP status, headers and body, for all routes that start, resume or cancel one."""

import asyncio
import math
from collections.abc import Mapping
from typing import Any, Final

from fastapi.responses import Response
from pydantic_core import to_json

from ops_contract import terminal_safe
from ops_orchestrator.modules.trace_context import TRACE_RESPONSE, TraceContext
from ops_orchestrator.off_loop import off_loop_if_large
from ops_orchestrator.runs.answer import answer
from ops_orchestrator.runs.events import Status
from ops_orchestrator.runs.record import Results, RunRecord
from ops_orchestrator.runs.store.protocols import RunStore
from ops_orchestrator.runs.under_way import RunUnderWay
from ops_orchestrator.service.answers import RunAnswer
from ops_orchestrator.service.openapi import PROBLEM, Responses, json_of, problems, response_header
from ops_orchestrator.service.routes.prefer import Preference

HTTP_STATUS: Final[Mapping[Status, int]] = {
    "completed": 200,
    "queued": 202,
    "running": 202,
    "cancelled": 409,
    "errored": 500,
    "failed": 502,
    "interrupted": 503,
}
"""HTTP status of the answer by status of the run: "they failed" and "we failed" never share a status."""

_ANSWERED: Final[dict[str, Any]] = {
    "content": json_of(RunAnswer),
    "headers": {
        "Location": response_header("the run's record"),
        TRACE_RESPONSE: response_header("the trace of the run, and its span in it (W3C Trace Context)"),
        "Preference-Applied": response_header("what was done of Prefer"),
    },
    "links": {
        name: {"operationId": name, "parameters": {"run_id": "$response.body#/run_id"}}
        for name in ("get_run", "get_results", "get_logs", "get_events", "list_artifacts")
    },
}
_BUSY: Final = {"Retry-After": response_header("seconds; when too many runs are under way")}

RUN_RESPONSES: Final[Responses] = {
    200: {"description": "The run completed.", **_ANSWERED},
    202: {"description": "The run goes on; see Location.", **_ANSWERED},
    409: {
        "description": "The run was cancelled meanwhile, or its state does not allow it.",
        "content": json_of(RunAnswer) | PROBLEM,
    },
    502: {"description": "A module failed; the run is kept.", **_ANSWERED},
    500: {"description": "The orchestrator failed; its log has the details.", "content": json_of(RunAnswer) | PROBLEM},
    503: {
        "description": "Too many runs are under way, the run store cannot be used, or the service is stopping.",
        "content": json_of(RunAnswer) | PROBLEM,
        "headers": _BUSY,
    },
    **problems(507),
}
"""What a route answers that waits for a run."""


async def answer_when_over(run: RunUnderWay | RunRecord, store: RunStore, preference: Preference) -> Response:
    """The answer about a run when it is over, or when its caller does not want to wait any longer.

    A record is that of a run which this process does not execute: see `ActiveRuns.wait_elsewhere`.
    """
    if isinstance(run, RunRecord):
        results = await asyncio.to_thread(store.results, run.run_id)
        if not run.is_over:
            # The process that executes it flushes when the run is over, or for callers of its own.
            await asyncio.to_thread(store.flush, run.run_id)
        return await run_response(run, results, store, preference)
    await run.wait(preference.wait_s)
    return await run_response(run.record, run.results, store, preference, results_bytes=run.results_bytes)


async def run_response(  # noqa: PLR0913  # what an answer is made from, and how
    record: RunRecord,
    results: Results,
    store: RunStore,
    preference: Preference | None = None,
    *,
    status: int | None = None,
    results_bytes: float = math.inf,
) -> Response:
    """The answer about a run as it is now; `status` in the place of the usual one.

    `results_bytes` is what the results take as JSON, where that is known.
    """
    body = answer(record, results, f"{store.location(record.run_id)}/")
    content = await off_loop_if_large(lambda: terminal_safe(to_json(body)), results_bytes)
    trace = TraceContext.of(record.run_id, record.traceparent)
    headers = {"Location": f"/runs/{record.run_id}", TRACE_RESPONSE: trace.header(trace.run_span(record.attempt))}
    if preference is not None and preference.applied:
        headers["Preference-Applied"] = preference.applied
    return Response(content, status or HTTP_STATUS[record.status], headers, "application/json")
