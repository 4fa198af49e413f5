"""`POST /runs/{id}/cancel` and `POST /runs/{id}/resume`: what can be done with a run."""

import asyncio
import time
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from ops_orchestrator.errors import ConflictError
from ops_orchestrator.runs.record import Results, RunRecord
from ops_orchestrator.runs.store.protocols import RunStore
from ops_orchestrator.runs.under_way import Runs, RunUnderWay
from ops_orchestrator.service.access.admitted_key import caller_of
from ops_orchestrator.service.answers import RunAnswer
from ops_orchestrator.service.openapi import Responses, header, json_of, problems
from ops_orchestrator.service.routes.prefer import read_preference
from ops_orchestrator.service.run_answer import RUN_RESPONSES, answer_when_over, run_response
from ops_orchestrator.service.siblings import Siblings

# While a run is made or taken up again, it is in its folder already, and cannot be cancelled yet.
_LONGEST_MAKING_S: Final = 2.0
_AGAIN_S: Final = 0.02
_CANCELLED: Final[Responses] = {200: {"description": "The run is cancelled.", "content": json_of(RunAnswer)}}
_WAITING: Final[dict[str, Any]] = {
    "parameters": [header("Prefer", "respond-async, or wait=N to wait for at most N seconds")],
}


def run_control_routes(runs: Runs, store: RunStore, siblings: Siblings) -> APIRouter:
    """The routes, for runs kept in `store`; `siblings` execute those that are not in `runs`."""
    router = APIRouter(prefix="/runs", tags=["runs"])

    @router.post(
        "/{run_id}/cancel",
        summary="Cancel a run: the call in flight is closed, and the run ends as cancelled",
        responses=_CANCELLED | problems(404, 409, 500, 503),
    )
    async def cancel_run(request: Request, run_id: str) -> Response:
        until = time.monotonic() + _LONGEST_MAKING_S
        run: RunUnderWay | None
        while (run := runs.find(run_id)) is None:
            if (answer := await siblings.answer(request, run_id)) is not None:
                return answer
            record, results = await asyncio.to_thread(_stored, store, run_id)
            if not record.is_over and (run := runs.elsewhere(record)) is not None:
                break
            if record.is_over or time.monotonic() > until:
                return await _cancelled(record, results, store)
            await asyncio.sleep(_AGAIN_S)
        by = f"POST {request.url.path} from {request.client.host if request.client else 'an unknown address'}"
        run.cancel(by, caller_of(request.scope))
        await run.wait()
        if run.unwritten is not None:
            raise ConflictError(f"{run_id} {run.unwritten}. It cannot be cancelled any more.")
        return await _cancelled(run.record, run.results, store)

    @router.post(
        "/{run_id}/resume",
        summary="Go on with a run that is over, from its first step that is not completed",
        responses=RUN_RESPONSES | problems(404),
        openapi_extra=_WAITING,
    )
    async def resume_run(request: Request, run_id: str) -> Response:
        preference = read_preference(request.headers.getlist("prefer"))
        return await answer_when_over(await runs.resume(run_id, caller_of(request.scope)), store, preference)

    return router


async def _cancelled(record: RunRecord, results: Results, store: RunStore) -> Response:
    """The answer about a run that was to be cancelled. Raises ConflictError when it was not."""
    if record.status != "cancelled":
        raise ConflictError(_why_not_cancelled(record))
    return await run_response(record, results, store, status=200)


def _stored(store: RunStore, run_id: str) -> tuple[RunRecord, Results]:
    return store.record(run_id), store.results(run_id)


def _why_not_cancelled(record: RunRecord) -> str:
    if record.is_over:
        return f"{record.run_id} is {record.status}: only a run that is queued or running can be cancelled."
    return (
        f"{record.run_id} is {record.status}, and this service does not execute it. If another service on this store does, "
        "cancel it there. If its service died, this one takes it over within seconds, once there is room on the disk and in "
        "the queue; try again then."
    )
