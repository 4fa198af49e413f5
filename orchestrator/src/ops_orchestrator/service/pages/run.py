"""`/runs/{run_id}`: a run while it goes on, and its report when it is over, at one address."""

import asyncio
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from ops_orchestrator.errors import NotFoundError, StoreError
from ops_orchestrator.runs.events import now
from ops_orchestrator.runs.record import LOGS, RECORD, RESULTS
from ops_orchestrator.runs.reports.html.view import ReportView
from ops_orchestrator.runs.store.listed_run import Repeats
from ops_orchestrator.runs.store.protocols import RunStore
from ops_orchestrator.service.access.admitted_key import key_of
from ops_orchestrator.service.pages.log_lines import LogEnd, log_end
from ops_orchestrator.service.pages.shared_pages import State
from ops_orchestrator.service.pages.site import Page, Site
from ops_orchestrator.service.security_headers import INERT

AS_DATA: Final = {"Content-Security-Policy": INERT}
"""Headers of a file that does nothing in a browser."""

_SERVED_AS: Final = {RESULTS: "results", LOGS: "logs"}


@dataclass(frozen=True)
class RunLinks:
    """Addresses of what belongs to a run, in the service, which has a page for every step."""

    run_id: str
    has_every_step: ClassVar = True

    def file(self, path: str) -> str:
        """The address of a file of the run's folder."""
        return f"/runs/{self.run_id}/{_SERVED_AS.get(path) or quote(path)}"

    def step(self, _number: int, step_id: str) -> str:
        """The page of a step."""
        return f"/runs/{self.run_id}/steps/{quote(step_id, safe='')}"


async def run(site: Site, request: Request) -> Response:
    """The run as it is."""
    run_id = request.path_params["run_id"]
    key = key_of(request.scope)
    # A page says who looks at it, and has the buttons that they may use.
    shared_by = run_id if key is None else f"{run_id} {key.id}"
    state = await site.shared.state(shared_by, partial(_state, site.parts.store, run_id))

    async def make() -> bytes:
        return await asyncio.to_thread(_page, site, request, run_id)

    # Only pages of runs that go on are kept.
    return site.html(await (make() if state.is_over else site.shared.page(shared_by, state.version, make)))


async def record(site: Site, request: Request) -> Response:
    """The record of the run as a file, to which pages refer for what they leave out."""
    content = await asyncio.to_thread(site.parts.store.document, request.path_params["run_id"], RECORD)
    return Response(content, media_type="application/json", headers=AS_DATA)


async def order(site: Site, request: Request) -> Response:
    """Cancel, resume or reproduce the run, and show what became of it."""
    return await site.order(request, "/runs", "run_id")


_RUN: Final = "/runs/{run_id}"
PAGES: Final = (
    Page(_RUN, run),
    Page(f"{_RUN}/{RECORD}", record),
    *(Page(f"{_RUN}/{name}", order, "POST") for name in ("cancel", "resume", "reproduce")),
)


def _state(store: RunStore, run_id: str) -> State:
    """How far a run has come: how long its log is, and its record, which is written after the end of the log.

    Where the log cannot be read that is nothing, and the page says why. Raises NotFoundError, DamagedRunError.
    """
    is_over = store.record(run_id).is_over
    try:
        stored = store.run(run_id)
        with closing(stored.open(LOGS)) as log, closing(stored.open(RECORD)) as kept:
            return State((log.size, kept.size), is_over)
    except (NotFoundError, StoreError):
        return State((0, 0), is_over)


def _page(site: Site, request: Request, run_id: str) -> bytes:
    store, stored = site.parts.store, site.parts.store.run(run_id)
    # Before the rest: the script waits for what comes after these lines, and the end may be the last of them.
    log = LogEnd((), is_whole=True) if stored.record().is_over else log_end(store, run_id)
    view = ReportView.of(stored, RunLinks(run_id).file, now())
    recipe = view.record.fingerprints.recipe
    repeats = store.repeats(recipe) if recipe and view.record.is_over else Repeats(0, 0)
    return site.rendered(request, "run.html", view=view, links=RunLinks(run_id), log=log, repeats=repeats)
