"""`/`: the runs, newest first; start one, find one, choose some to compare."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, get_args

from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ops_orchestrator.errors import NotFoundError, StoreError
from ops_orchestrator.planning.examples import EXAMPLES
from ops_orchestrator.runs.events import now
from ops_orchestrator.runs.record import Results, RunRecord
from ops_orchestrator.runs.reports.html.overview import Overview
from ops_orchestrator.runs.reports.object_leaves import object_leaves
from ops_orchestrator.runs.run_filter import RunFilter, read_filter
from ops_orchestrator.runs.run_summary import ListedStatus, RunSummary
from ops_orchestrator.runs.scale import value_text
from ops_orchestrator.runs.store.listed_run import Repeats
from ops_orchestrator.runs.store.protocols import RunStore
from ops_orchestrator.service.pages.site import Page, Site

_A_PAGE: Final = 50
_MOST_COLUMNS: Final = 4
_MOST_INPUTS: Final = 200
_LONGEST_VALUE: Final = 24
_FILTERS: Final = ("scenario_id", "status", "module", "since", "until", "fingerprint", "reproduces", "sweep")
_STATUSES: Final = tuple(status for arg in get_args(ListedStatus) for status in (get_args(arg) or (arg,)))


@dataclass(frozen=True)
class Row:
    """A run in the list. `values` are those of the inputs that have a column; `run` is None for one that cannot be read."""

    listed: RunSummary
    run: Overview | None
    values: tuple[str, ...]
    repeats: Repeats | None


async def runs(site: Site, request: Request) -> Response:
    """The list, as its address filters it."""
    where = _filter(request.query_params)
    cursor = request.query_params.get("cursor") or None
    found = await asyncio.to_thread(_found, site.parts.store, cursor, where)
    sweeps = await asyncio.to_thread(lambda: len(site.parts.sweeps.ids()))
    is_filtered = any(request.query_params.get(name) for name in (*_FILTERS, "label", "recipe", "result"))
    template = "runs.html" if found.rows or is_filtered or cursor else "runs_empty.html"
    return site.page(
        request,
        template,
        found=found,
        sweeps=sweeps,
        asked={name: ", ".join(request.query_params.getlist(name)) for name in (*_FILTERS, "label", "recipe", "result")},
        is_filtered=is_filtered,
        older=_older(request.query_params, found.next_cursor),
        statuses=_STATUSES,
        modules=sorted(site.parts.viewer.registration.catalogue.modules),
        examples=tuple(EXAMPLES),
    )


PAGES: Final = (Page("/", runs),)


@dataclass(frozen=True)
class _Found:
    rows: tuple[Row, ...]
    columns: tuple[str, ...]
    next_cursor: str | None
    is_complete: bool


def _filter(asked: QueryParams) -> RunFilter:
    """The filter in an address. Raises InvalidRequestError; HTTPException 422 for a parameter that is none of ours."""
    if unknown := set(asked) - {*_FILTERS, "label", "cursor", "recipe", "result"}:
        raise HTTPException(422, f"There is no filter {', '.join(sorted(unknown))}; there are {', '.join(_FILTERS)} and label.")
    given = {name: value for name in _FILTERS if (value := asked.get(name, "").strip()) and value != "any"}
    if (status := given.get("status")) and status not in _STATUSES:
        raise HTTPException(422, f"There is no state {status!r:.60}; there are {', '.join(_STATUSES)}.")
    fingerprint = asked.get("recipe") or asked.get("result")
    found = read_filter(labels=[label for label in asked.getlist("label") if label], **{"fingerprint": fingerprint, **given})
    return found if found.sweep else RunFilter(**{**vars(found), "outside_sweeps": True})


def _found(store: RunStore, cursor: str | None, where: RunFilter) -> _Found:
    page = store.page(_A_PAGE, cursor, where)
    overviews = [_overview(store, run.run_id) for run in page.runs]
    columns = _varying([overview.record for overview in overviews if overview])
    repeats = {recipe: store.repeats(recipe) for run in page.runs if (recipe := run.fingerprints.recipe)}
    rows = (
        Row(run, overview, _values(overview, columns), _worth_saying(run, repeats))
        for run, overview in zip(page.runs, overviews, strict=True)
    )
    return _Found(tuple(rows), _names(columns), page.next_cursor, page.is_complete)


def _overview(store: RunStore, run_id: str) -> Overview | None:
    """The run as it is; None when it is damaged, or was removed meanwhile."""
    try:
        record = store.record(run_id)
        return Overview.of(record, Results.of(record, {}), now())
    except (NotFoundError, StoreError):
        return None


def _worth_saying(run: RunSummary, repeats: Mapping[str, Repeats]) -> Repeats | None:
    found = repeats.get(run.fingerprints.recipe or "")
    return found if found and found.runs > 1 and run.fingerprints.result else None


def _varying(records: Sequence[RunRecord]) -> tuple[str, ...]:
    """The first inputs, by pointer, that do not have one value in all runs of the list."""
    values: dict[str, set[str]] = {}
    for record in records:
        for pointer, value in _inputs(record).items():
            values.setdefault(pointer, set()).add(value)
    return tuple(pointer for pointer, found in values.items() if len(found) > 1)[:_MOST_COLUMNS]


def _inputs(record: RunRecord) -> dict[str, str]:
    leaves = zip(range(_MOST_INPUTS), object_leaves(record.request["inputs"]), strict=False)
    return {pointer: value_text(value, _LONGEST_VALUE) for _, (pointer, value) in leaves}


def _values(overview: Overview | None, columns: Sequence[str]) -> tuple[str, ...]:
    inputs = _inputs(overview.record) if overview else {}
    return tuple(inputs.get(pointer, "") for pointer in columns)


def _names(pointers: Sequence[str]) -> tuple[str, ...]:
    last = [pointer.rpartition("/")[2] for pointer in pointers]
    return tuple(name if last.count(name) == 1 else pointer for name, pointer in zip(last, pointers, strict=True))


def _older(asked: QueryParams, cursor: str | None) -> str | None:
    """The address of the next page."""
    if cursor is None:
        return None
    kept = [(name, value) for name, value in asked.multi_items() if name != "cursor" and value]
    return f"?{QueryParams([*kept, ('cursor', cursor)])}"
