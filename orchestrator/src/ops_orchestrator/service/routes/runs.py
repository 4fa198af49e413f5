"""`GET /runs` and everything below it: what was done, read from the run folders."""

import asyncio
from inspect import signature
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from ops_contract import terminal_safe
from ops_orchestrator.runs.json_text import json_document
from ops_orchestrator.runs.record import LOGS, RECORD, RESULTS, Results, RunRecord
from ops_orchestrator.runs.run_filter import EVERY_RUN, RunFilter, read_filter
from ops_orchestrator.runs.run_summary import ListedStatus
from ops_orchestrator.runs.store.protocols import RunStore
from ops_orchestrator.runs.under_way import Runs, known_live
from ops_orchestrator.service.answers import RunList
from ops_orchestrator.service.openapi import json_of, problems, stored
from ops_orchestrator.service.routes.parameters import WholeNumber, refuse_unusable_parameters
from ops_orchestrator.service.stored_file import StoredFile, respond_with

_REPEATABLE: Final = ("label",)
_JSON: Final = "application/json"
_LINES: Final = {"application/x-ndjson": {"schema": {"type": "string"}}}


def runs_routes(store: RunStore, runs: Runs) -> APIRouter:
    """The routes over the runs in `store`; of `runs`, which go on, memory knows more."""
    router = APIRouter(prefix="/runs", tags=["runs"])

    @router.get(
        "",
        summary="The runs, newest first",
        response_model=RunList,
        responses=problems(422, 500, 503),
    )
    async def list_runs(
        request: Request,
        limit: Annotated[WholeNumber, Query(ge=1, le=500)] = 50,
        cursor: Annotated[str | None, Query(description="next_cursor of the page before")] = None,
        where: Annotated[RunFilter, Depends(_filter)] = EVERY_RUN,
    ) -> Response:
        refuse_unusable_parameters(request, _PARAMETERS, "list", _REPEATABLE)
        page = await asyncio.to_thread(store.page, limit, cursor, where)
        listed = RunList(runs=page.runs, next_cursor=page.next_cursor, complete=page.is_complete)
        # From the model at once: the framework would make plain data of up to 500 runs first.
        return Response(terminal_safe(listed.model_dump_json(exclude_unset=True).encode()), media_type="application/json")

    @router.get(
        "/{run_id}",
        summary="A run's record: request, plan, steps, versions, pointers, fingerprints",
        **stored(json_of(RunRecord), "The record."),
    )
    async def get_run(request: Request, run_id: str) -> Response:
        if (run := known_live(runs, run_id)) is not None:
            return respond_with(StoredFile.made(json_document(run.record), _JSON), request)
        return respond_with(await _document(store, run_id, RECORD, _JSON), request)

    @router.get("/{run_id}/results", summary="A run's merged results", **stored(json_of(Results), "The results."))
    async def get_results(request: Request, run_id: str) -> Response:
        if (run := known_live(runs, run_id)) is not None:
            return respond_with(await asyncio.to_thread(lambda: StoredFile.made(json_document(run.results), _JSON)), request)
        return respond_with(await _document(store, run_id, RESULTS, _JSON), request)

    @router.get("/{run_id}/logs", summary="A run's log, one JSON event a line", **stored(_LINES, "The log."))
    async def get_logs(request: Request, run_id: str) -> Response:
        return respond_with(await _document(store, run_id, LOGS, "application/x-ndjson"), request)

    return router


def _filter(  # noqa: PLR0913  # one parameter for each filter
    *,
    scenario_id: str | None = None,
    status: ListedStatus | None = None,
    label: Annotated[list[str], Query(description="KEY or KEY=VALUE; may be repeated")] = [],  # noqa: B006  # not changed
    module: Annotated[str | None, Query(description="a module that the run's plan calls")] = None,
    since: Annotated[str | None, Query(description="started at this time or later: RFC 3339, or a date, in UTC")] = None,
    until: Annotated[str | None, Query(description="started before this time: RFC 3339, or a date, in UTC")] = None,
    fingerprint: Annotated[str | None, Query(description="the beginning of a recipe or result fingerprint")] = None,
    reproduces: Annotated[str | None, Query(description="the id of the run that they reproduce")] = None,
    sweep: Annotated[str | None, Query(description="the id of the sweep that they are part of")] = None,
) -> RunFilter:
    return read_filter(
        scenario_id=scenario_id,
        status=status,
        labels=label,
        module=module,
        since=since,
        until=until,
        fingerprint=fingerprint,
        reproduces=reproduces,
        sweep=sweep,
    )


_PARAMETERS: Final = ("limit", "cursor", *signature(_filter).parameters)


async def _document(store: RunStore, run_id: str, name: str, media_type: str) -> StoredFile:
    return await asyncio.to_thread(lambda: StoredFile.made(store.document(run_id, name), media_type))
