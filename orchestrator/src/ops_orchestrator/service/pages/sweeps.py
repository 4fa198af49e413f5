"""`/sweeps` and `/sweeps/{sweep_id}`: the sweeps, and one of them as far as it is."""

import asyncio
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from ops_orchestrator.charts.words import visible
from ops_orchestrator.planning.examples import EXAMPLES
from ops_orchestrator.runs.sweeps.sweep_store import SweepStore
from ops_orchestrator.runs.sweeps.table import table_of
from ops_orchestrator.runs.sweeps.table_files import TABLE_CSV
from ops_orchestrator.service.pages.new_sweep import number_inputs
from ops_orchestrator.service.pages.site import Page, Site
from ops_orchestrator.service.pages.sweep_choice import Choice
from ops_orchestrator.service.pages.sweep_view import MOST_SEEDS, SweepView, seeds_of, title_of

_A_PAGE: Final = 50
_SWEEP: Final = "/sweeps/{sweep_id}"


async def sweeps(site: Site, request: Request) -> Response:
    """The sweeps, newest first, and a form that starts one."""
    cursor = request.query_params.get("cursor") or None
    listed = await asyncio.to_thread(_listed, site.parts.sweeps, cursor)
    return site.page(request, "sweeps.html", cursor=cursor, inputs=number_inputs(), examples=tuple(EXAMPLES), **listed)


async def sweep(site: Site, request: Request) -> Response:
    """One sweep, with what its address chooses."""
    choice = Choice.of(request.query_params)
    # Drawing blocks as reading does, and templates ask for what is drawn.
    return await asyncio.to_thread(_page, site, request, choice)


async def order(site: Site, request: Request) -> Response:
    """Cancel the sweep, or run again what did not complete, and show what became of it."""
    return await site.order(request, "/sweeps", "sweep_id")


PAGES: Final = (
    Page("/sweeps", sweeps),
    Page(_SWEEP, sweep),
    *(Page(f"{_SWEEP}/{name}", order, "POST") for name in ("cancel", "resume")),
)


def _listed(store: SweepStore, cursor: str | None) -> dict[str, Any]:
    ids = [sweep_id for sweep_id in store.ids() if cursor is None or sweep_id < cursor][:_A_PAGE]
    found, more = store.page(_A_PAGE, cursor)
    known = {state.sweep_id for state in found}
    return {"sweeps": found, "more": more, "unreadable": [sweep_id for sweep_id in ids if sweep_id not in known]}


def _page(site: Site, request: Request, choice: Choice) -> Response:
    view = _view(site.parts.sweeps, request.path_params["sweep_id"], choice)
    return site.page(
        request, "sweep.html", view=view, most_seeds=MOST_SEEDS, seeds_of=seeds_of, title_of=title_of, visible=visible
    )


def _view(store: SweepStore, sweep_id: str, choice: Choice) -> SweepView:
    state = store.state(sweep_id)
    asked = store.request(sweep_id)
    table = table_of(sweep_id, asked, store.outcomes(sweep_id, asked.numbers))
    # The first one can be read before it is a file.
    files = {TABLE_CSV, *(name for name in store.files(sweep_id) if name.startswith("table."))}
    return SweepView(state, asked, table, choice, sorted(files))
