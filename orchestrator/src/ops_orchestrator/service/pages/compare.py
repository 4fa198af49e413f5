"""`/compare?run=A&run=B&ref=A`: two to four runs side by side, the cause first."""

import asyncio
from collections.abc import Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from ops_orchestrator.charts.line_chart import LOOKS
from ops_orchestrator.errors import DamagedRunError, NotFoundError
from ops_orchestrator.runs.run_filter import RunFilter
from ops_orchestrator.runs.run_summary import RunSummary
from ops_orchestrator.runs.store.protocols import RunStore
from ops_orchestrator.service.pages.comparison.view import ComparisonView
from ops_orchestrator.service.pages.site import Page, Site

MOST_RUNS: Final = len(LOOKS)
"""So many runs have a letter, a shape and a colour of their own."""

_OFFERED: Final = 30
_MOST_NAMED: Final = 100


async def compare(site: Site, request: Request) -> Response:
    """The comparison, or a list to choose runs from."""
    named = request.query_params.getlist("run")
    chosen = list(dict.fromkeys(named))
    if not 2 <= len(chosen) <= MOST_RUNS:
        return await _choose(site, request, chosen, is_repeated=len(named) > len(chosen))
    reference = request.query_params.get("ref") or ""
    view = await asyncio.to_thread(ComparisonView.of, site.parts.store, chosen, reference)
    return site.page(request, "compare.html", view=view)


PAGES: Final = (Page("/compare", compare),)


async def _choose(site: Site, request: Request, chosen: Sequence[str], *, is_repeated: bool) -> Response:
    offered = await asyncio.to_thread(_offered, site.parts.store, chosen)
    status = 200 if len(chosen) <= 1 else 422
    return site.page(
        request,
        "compare_choose.html",
        status,
        chosen=chosen[:_MOST_NAMED],
        count=len(chosen),
        is_repeated=is_repeated,
        offered=offered,
        most=MOST_RUNS,
    )


def _offered(store: RunStore, chosen: Sequence[str]) -> list[RunSummary]:
    """The newest runs; first those of the scenario of the run that is chosen, with which it is most often compared."""
    page = list(store.page(_OFFERED, None, RunFilter(outside_sweeps=True)).runs)
    scenario = _scenario(store, chosen[0]) if chosen else None
    alike = store.page(_OFFERED, None, RunFilter(scenario_id=scenario, outside_sweeps=True)).runs if scenario else ()
    return list({run.run_id: run for run in [*alike, *page]}.values())[:_OFFERED]


def _scenario(store: RunStore, run_id: str) -> str | None:
    try:
        return store.record(run_id).scenario_id
    except (NotFoundError, DamagedRunError):
        return None
