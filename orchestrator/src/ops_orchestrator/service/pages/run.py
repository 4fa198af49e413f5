"""`/runs/{run_id}`: a run while it goes on, and its report when it is over, at one address."""

import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from ops_orchestrator.runs.record import RESULTS
from ops_orchestrator.runs.reports.html.view import ReportView
from ops_orchestrator.runs.store.listed_run import Repeats
from ops_orchestrator.runs.store.protocols import RunStore
from ops_orchestrator.service.pages.log_lines import log_lines
from ops_orchestrator.service.pages.site import Page, Site


@dataclass(frozen=True)
class RunLinks:
    """Addresses of what belongs to a run, in the service."""

    run_id: str

    def file(self, path: str) -> str:
        """The address of a file of the run's folder."""
        return f"/runs/{self.run_id}/{'results' if path == RESULTS else quote(path)}"

    def step(self, _number: int, step_id: str) -> str:
        """The page of a step."""
        return f"/runs/{self.run_id}/steps/{quote(step_id, safe='')}"


async def run(site: Site, request: Request) -> Response:
    """The run as it is."""
    run_id = request.path_params["run_id"]
    is_over = (await asyncio.to_thread(site.parts.store.record, run_id)).is_over
    # Before the rest: the script waits for what comes after these lines, and the end may be the last of them.
    lines = () if is_over else await asyncio.to_thread(log_lines, site.parts.store, run_id)
    view = await asyncio.to_thread(_view, site.parts.store, run_id)
    record = view.record
    recipe = record.fingerprints.recipe
    repeats = await asyncio.to_thread(site.parts.store.repeats, recipe) if recipe and record.is_over else Repeats(0, 0)
    return site.page(
        request,
        "run.html",
        view=view,
        links=RunLinks(run_id),
        lines=lines,
        repeats=repeats,
        scenario=json.dumps(record.request, indent=2, ensure_ascii=False),
    )


async def order(site: Site, request: Request) -> Response:
    """Cancel, resume or reproduce the run, and show what became of it."""
    return await site.order(request, "/runs", "run_id")


_RUN: Final = "/runs/{run_id}"
PAGES: Final = (
    Page(_RUN, run),
    *(Page(f"{_RUN}/{name}", order, "POST") for name in ("cancel", "resume", "reproduce")),
)


def _view(store: RunStore, run_id: str) -> ReportView:
    stored = store.run(run_id)
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return ReportView.of(stored, RunLinks(run_id).file, now)
