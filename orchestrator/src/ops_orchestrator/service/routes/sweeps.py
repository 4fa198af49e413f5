"""`POST /sweeps` and everything below it: one scenario, run for many values and seeds."""

import asyncio
import hashlib
import time
from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel

from ops_contract import terminal_safe
from ops_orchestrator.errors import SweepConflictError
from ops_orchestrator.planning.sweep import read_sweep
from ops_orchestrator.planning.sweep_spec import SweepScenario
from ops_orchestrator.runs.run_id import SWEEP_ID
from ops_orchestrator.runs.sweeps.active_sweeps import ActiveSweeps
from ops_orchestrator.runs.sweeps.answers import PointList, SweepAnswer, SweepList
from ops_orchestrator.runs.sweeps.state import SweepState
from ops_orchestrator.runs.sweeps.sweep_store import SweepStore
from ops_orchestrator.runs.sweeps.table import PointStatus
from ops_orchestrator.runs.sweeps.table_files import TABLE_CSV, csv_of
from ops_orchestrator.service.access.admitted_key import caller_of
from ops_orchestrator.service.openapi import EXAMPLE_SCENARIO, Responses, header, json_of, problems, response_header, stored
from ops_orchestrator.service.routes.parameters import WholeNumber, refuse_unusable_parameters
from ops_orchestrator.service.routes.plan_and_execute import read_json_body, read_key
from ops_orchestrator.service.routes.prefer import Preference, read_preference
from ops_orchestrator.service.security_headers import INERT
from ops_orchestrator.service.stored_file import StoredFile, respond_with
from ops_orchestrator.settings import Settings

_LOOK_EVERY_S: Final = 0.2
_LONGEST_CANCELLING_S: Final = 10.0
_MEDIA_TYPES: Final = {
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "jsonl": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
    "png": "image/png",
    "svg": "image/svg+xml",
}
_EXAMPLE: Final = EXAMPLE_SCENARIO | {
    "sweep": {"parameters": {"/policy_parameters/vat_rate": {"from": 0.1, "to": 0.2, "step": 0.05}}, "seeds": 2}
}
_REQUEST: Final = {"application/json": {**json_of(SweepScenario)["application/json"], "example": _EXAMPLE}}
_ANSWERED: Final[dict[str, Any]] = {
    "content": json_of(SweepAnswer),
    "headers": {
        "Location": response_header("the sweep"),
        "Preference-Applied": response_header("what was done of Prefer"),
    },
    "links": {
        name: {"operationId": name, "parameters": {"sweep_id": "$response.body#/sweep_id"}}
        for name in ("get_sweep", "list_points", "cancel_sweep")
    },
}
_SWEPT: Final[Responses] = {
    200: {"description": "The sweep is over; `status` says how it ended.", **_ANSWERED},
    202: {"description": "The sweep goes on; see Location.", **_ANSWERED},
}
_PREFER: Final = header("Prefer", "wait=N to wait for at most N seconds; without it, the answer comes at once")
_KEY: Final = header("Idempotency-Key", "1 to 255 characters; a request that is repeated with it gets the first sweep")


def sweeps_routes(sweeps: ActiveSweeps, store: SweepStore, settings: Settings) -> APIRouter:
    """The routes, for sweeps kept in `store`, which this process executes with `sweeps`."""
    router = APIRouter(prefix="/sweeps", tags=["sweeps"])
    answers = _Answers(sweeps, store)

    @router.post(
        "",
        summary="Run a scenario for many values and seeds",
        responses=_SWEPT | problems(400, 409, 413, 415, 422, 500, 503, 507),
        openapi_extra={"parameters": [_PREFER, _KEY], "requestBody": {"required": True, "content": _REQUEST}},
    )
    async def start_sweep(request: Request) -> Response:
        preference = read_preference(request.headers.getlist("prefer"))
        key = read_key(request.headers.getlist("idempotency-key"))
        raw = await read_json_body(request, settings.max_request_bytes)
        values, most = settings.max_request_values, settings.max_sweep_points
        # A short text may ask for thousands of points.
        asked = await asyncio.to_thread(read_sweep, raw, max_values=values, max_points=most)
        caller = caller_of(request.scope)
        sweep_id = await (sweeps.start(asked, raw, caller) if key is None else sweeps.start_once(asked, raw, key, caller))
        return await answers.when_over(sweep_id, preference)

    @router.get("", summary="The sweeps, newest first", response_model=SweepList, responses=problems(422, 500, 503))
    async def list_sweeps(
        request: Request,
        limit: Annotated[WholeNumber, Query(ge=1, le=500)] = 50,
        cursor: Annotated[
            str | None, Query(pattern=f"^{SWEEP_ID.pattern}$", description="next_cursor of the page before")
        ] = None,
    ) -> Response:
        refuse_unusable_parameters(request, ("limit", "cursor"), "list")
        found, more = await asyncio.to_thread(store.page, limit, cursor)
        return _json(SweepList(sweeps=found, next_cursor=more))

    @router.get(
        "/{sweep_id}",
        summary="A sweep: how far it is, what is varied, and the files that it has",
        response_model=SweepAnswer,
        responses=problems(404, 500, 503),
    )
    async def get_sweep(sweep_id: str) -> Response:
        return _json(await answers.now(sweep_id))

    @router.get(
        "/{sweep_id}/points",
        summary="The points of a sweep: parameters, status, run and figures",
        response_model=PointList,
        responses=problems(404, 422, 500, 503),
    )
    async def list_points(
        request: Request,
        sweep_id: str,
        limit: Annotated[WholeNumber, Query(ge=1, le=1000)] = 100,
        after: Annotated[WholeNumber, Query(ge=0, description="next_after of the page before")] = 0,
        status: PointStatus | None = None,
    ) -> Response:
        refuse_unusable_parameters(request, ("limit", "after", "status"), "list")
        return _json(await asyncio.to_thread(PointList.of, store, sweep_id, limit, after, status))

    @router.post(
        "/{sweep_id}/cancel",
        summary="Cancel a sweep: its runs under way are cancelled, and no more are started",
        responses=_SWEPT | problems(404, 409, 500, 503),
    )
    async def cancel_sweep(request: Request, sweep_id: str) -> Response:
        by = f"POST {request.url.path} from {request.client.host if request.client else 'an unknown address'}"
        return await answers.when_cancelled(sweep_id, by, caller_of(request.scope))

    @router.post(
        "/{sweep_id}/resume",
        summary="Go on with a sweep that is over: its points that did not complete are run",
        responses=_SWEPT | problems(404, 409, 422, 500, 503),
        openapi_extra={"parameters": [_PREFER]},
    )
    async def resume_sweep(request: Request, sweep_id: str) -> Response:
        preference = read_preference(request.headers.getlist("prefer"))
        await sweeps.resume(sweep_id, caller_of(request.scope))
        return await answers.when_over(sweep_id, preference)

    @router.get(
        "/{sweep_id}/{name}.{ending}",
        summary="A file of a sweep, such as its table or a chart",
        **stored({"*/*": {}}, "The file; table.csv also while the sweep goes on, as far as it is."),
    )
    async def get_sweep_file(request: Request, sweep_id: str, name: str, ending: str) -> Response:
        file = await asyncio.to_thread(_file, store, sweep_id, f"{name}.{ending}")
        return respond_with(file, request, {"Content-Security-Policy": INERT})

    return router


class _Answers:
    """What is answered about a sweep, which this process executes, another one, or nobody."""

    def __init__(self, sweeps: ActiveSweeps, store: SweepStore) -> None:
        self._sweeps = sweeps
        self._store = store

    async def now(self, sweep_id: str) -> SweepAnswer:
        """The sweep as it is."""
        return await asyncio.to_thread(SweepAnswer.of, await self._sweeps.state(sweep_id), self._store)

    async def when_over(self, sweep_id: str, preference: Preference) -> Response:
        """The answer when the sweep is over, or when its caller does not want to wait any longer."""
        await self._wait(sweep_id, preference.wait_s or 0.0)
        headers = {"Preference-Applied": preference.applied} if preference.applied else {}
        return await self._response(sweep_id, headers)

    async def when_cancelled(self, sweep_id: str, by: str, caller: str | None) -> Response:
        """Have the sweep cancelled, by whatever process executes it. Raises SweepConflictError when it is over."""
        self._refuse_unless_running(await self._sweeps.state(sweep_id))
        await asyncio.to_thread(self._store.ask_to_cancel, sweep_id, by, caller)
        await self._wait(sweep_id, _LONGEST_CANCELLING_S)
        state = await self._sweeps.state(sweep_id)
        if state.is_over and state.status != "cancelled":
            self._refuse_unless_running(state)
        return await self._response(sweep_id, {})

    async def _wait(self, sweep_id: str, seconds: float) -> None:
        if (run := self._sweeps.find(sweep_id)) is not None:
            await run.wait(seconds)
            return
        until = time.monotonic() + seconds
        while time.monotonic() < until and not (await self._sweeps.state(sweep_id)).is_over:  # noqa: ASYNC110  # it is another process
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _response(self, sweep_id: str, headers: dict[str, str]) -> Response:
        answer = await self.now(sweep_id)
        return _json(answer, 200 if answer.is_over else 202, {"Location": f"/sweeps/{sweep_id}", **headers})

    @staticmethod
    def _refuse_unless_running(state: SweepState) -> None:
        if state.is_over:
            raise SweepConflictError(f"{state.sweep_id} is {state.status}: only a sweep that is running can be cancelled.")


def _file(store: SweepStore, sweep_id: str, name: str) -> StoredFile:
    """A file of a sweep. Its table is made as far as it is while there is no file of it."""
    media_type = _MEDIA_TYPES.get(name.rpartition(".")[2], "application/octet-stream")
    if name == TABLE_CSV and name not in store.files(sweep_id):
        return StoredFile.made(b"".join(csv_of(store.table(sweep_id))), media_type)
    opened = store.open_file(sweep_id, name)
    sha256 = hashlib.file_digest(opened.file, "sha256").hexdigest()  # type: ignore[arg-type]
    opened.file.seek(0)
    return StoredFile(opened.file, opened.size, media_type, sha256, opened.modified)


def _json(answer: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(terminal_safe(answer.model_dump_json().encode()), status, headers, "application/json")
