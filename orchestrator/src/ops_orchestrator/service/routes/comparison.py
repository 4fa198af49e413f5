"""`GET /runs/{a}/diff/{b}`: what differs between two runs, and why; `GET /compare`: several runs side by side."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import PlainTextResponse, Response

from ops_contract import terminal_safe
from ops_orchestrator.errors import NotFoundError
from ops_orchestrator.runs.comparison.diff import RunDiff, diff_runs
from ops_orchestrator.runs.comparison.grades import Tolerance, Tolerances
from ops_orchestrator.runs.comparison.places import BRIEF, FULL, Limits
from ops_orchestrator.runs.comparison.selection import read_sides
from ops_orchestrator.runs.comparison.several import RunComparison, SeveralRuns
from ops_orchestrator.runs.comparison.text import text_of
from ops_orchestrator.runs.figure_tables import csv_of, markdown_of, series_csv_of
from ops_orchestrator.runs.store.protocols import RunStore
from ops_orchestrator.service.accept import preferred
from ops_orchestrator.service.openapi import Responses, header, json_of, problems, response_header
from ops_orchestrator.service.routes.parameters import refuse_unusable_parameters

_JSON: Final = "application/json"
_TEXT: Final = "text/plain"
_CSV: Final = "text/csv; charset=utf-8"
_MARKDOWN: Final = "text/markdown; charset=utf-8"
_FILES_CONTENT: Final = {kind: {"schema": {"type": "string"}} for kind in ("text/csv", "text/markdown")} | json_of(
    RunComparison
)
_VARIES: Final = {"Vary": "Accept"}
_ANSWER: Final[Responses] = {
    200: {
        "description": "What differs, as JSON or as text for people.",
        "headers": {"Vary": response_header("Accept")},
        "content": {_TEXT: {"schema": {"type": "string"}}},
    }
}
_COMPARISON: Final[Responses] = {
    200: {"description": "The comparison.", "headers": {"Vary": response_header("Accept: browsers get a page")}}
}
_FILE: Final[Responses] = {200: {"description": "The file.", "content": _FILES_CONTENT}}
_Runs = Annotated[list[str], Query(description="ids of 2 to 20 runs")]
_Reference = Annotated[str, Query(description="the run with which the others are compared; the oldest unless it is given")]


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
    async def diff(  # noqa: PLR0913, PLR0917  # one parameter for each of the query
        request: Request,
        a: str,
        b: str,
        rel: Annotated[float, Query(ge=0, allow_inf_nan=False, description="a share of the larger of two numbers")] = 0.0,
        abs: Annotated[float, Query(ge=0, allow_inf_nan=False, description="how far apart numbers may be")] = 0.0,  # noqa: A002
        full: Annotated[bool, Query(description="list every difference, not only the first 200 of each layer")] = False,
    ) -> Response:
        refuse_unusable_parameters(request, ("rel", "abs", "full"), "comparison")
        as_text = preferred(request.headers.getlist("accept"), (_JSON, _TEXT)) == _TEXT
        # What is on disk is compared, also of a run that goes on: its log is there as far as the run is.
        work = _text if as_text else _json
        return await asyncio.to_thread(work, store, a, b, Tolerances(Tolerance(rel, abs)), FULL if full else BRIEF)

    return router


def several_routes(store: RunStore) -> APIRouter:
    """The routes that put runs in `store` side by side."""
    router = APIRouter(prefix="/compare", tags=["runs"])

    @router.get(
        "",
        summary="Several runs side by side: key figures, series over time, and in what each differs from the reference",
        response_model=RunComparison,
        responses=_COMPARISON | problems(404, 422, 500, 503),
    )
    async def compare(request: Request, run: _Runs, ref: _Reference = "") -> Response:
        return await _several(store, request, _whole, run, ref)

    @router.get(
        "/{name}",
        summary="The same as a file: comparison.json, figures.csv, figures.md or series.csv",
        response_class=Response,
        responses=_FILE | problems(404, 422, 500, 503),
    )
    async def compared_file(request: Request, name: str, run: _Runs, ref: _Reference = "") -> Response:
        if (file := _FILES.get(name)) is None:
            raise NotFoundError(f"A comparison has no file {name!r:.100}; there are {', '.join(_FILES)}.")
        answer = await _several(store, request, file, run, ref)
        answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        return answer

    return router


async def _several(
    store: RunStore, request: Request, answer: Callable[[SeveralRuns], Response], run: Sequence[str], ref: str
) -> Response:
    refuse_unusable_parameters(request, ("run", "ref"), "comparison", repeatable=("run",))
    return await asyncio.to_thread(lambda: answer(SeveralRuns.of(read_sides(store, run, ref))))


def _whole(runs: SeveralRuns) -> Response:
    # What is empty is left out of the parts of `diffs`, and they have no other fields that need not be set.
    content = runs.whole().model_dump_json(exclude_unset=True).encode()
    return Response(terminal_safe(content), media_type=_JSON)


def _figures_csv(runs: SeveralRuns) -> Response:
    return Response(csv_of(runs.figures()).encode(errors="replace"), media_type=_CSV)


def _figures_markdown(runs: SeveralRuns) -> Response:
    return Response(markdown_of(runs.figures()).encode(errors="replace"), media_type=_MARKDOWN)


def _series_csv(runs: SeveralRuns) -> Response:
    return Response(series_csv_of(runs.figures(), runs.series().series).encode(errors="replace"), media_type=_CSV)


_FILES: Final[Mapping[str, Callable[[SeveralRuns], Response]]] = {
    "comparison.json": _whole,
    "figures.csv": _figures_csv,
    "figures.md": _figures_markdown,
    "series.csv": _series_csv,
}


def _json(store: RunStore, a: str, b: str, tolerances: Tolerances, limits: Limits) -> Response:
    found = diff_runs(store.run(a), store.run(b), tolerances, limits)
    content = terminal_safe(found.model_dump_json(exclude_unset=True).encode())
    return Response(content, headers=_VARIES, media_type=_JSON)


def _text(store: RunStore, a: str, b: str, tolerances: Tolerances, limits: Limits) -> Response:
    return PlainTextResponse(text_of(diff_runs(store.run(a), store.run(b), tolerances, limits)), headers=_VARIES)
