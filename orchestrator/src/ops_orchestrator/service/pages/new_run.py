"""`/runs/new` and the form on `/`: a run of an example or of one's own scenario."""

import asyncio
import json
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ops_orchestrator.errors import NotFoundError
from ops_orchestrator.planning.examples import EXAMPLES
from ops_orchestrator.service.pages.forms import read_form
from ops_orchestrator.service.pages.site import Page, Site

_MOST_EDITED: Final = 256 * 1024


async def form(site: Site, request: Request) -> Response:
    """A scenario to be edited: that of an earlier run, an example, or the first example."""
    site.refuse_when_read_only()
    if (run_id := request.query_params.get("run")) is None:
        text = _scenario_text(_example(request.query_params.get("example") or next(iter(EXAMPLES))))
        return _form(site, request, text, {})
    text = await _of_run(site, run_id)
    if len(text) > _MOST_EDITED:
        message = f"The scenario of {run_id} has {len(text):,} characters, which is too much to be edited here."
        raise HTTPException(413, f"{message} Take it from the request in /runs/{run_id}/run.json, and send it to the API.")
    return _form(site, request, text, {})


async def start(site: Site, request: Request) -> Response:
    """Start a run of what was sent, and show it; what the API refuses is shown above the text, which is kept."""
    fields = await read_form(request)
    text, run_id = fields.get("scenario", [""])[0], fields.get("run", [""])[0]
    if run_id:
        text = await _of_run(site, run_id)
    elif not text:
        text = _scenario_text(_with_seed(_example(fields.get("example", [""])[0]), fields.get("seed", [""])[0]))
    answer = await site.post(request, "/plan_and_execute", text.encode())
    if not answer.is_good:
        return _form(site, request, text, answer.json, answer.status)
    return site.see(f"/runs/{answer.json['run_id']}")


PAGES: Final = (Page("/runs/new", form), Page("/runs", start, "POST"))


def _form(site: Site, request: Request, text: str, problem: dict[str, Any], status: int = 200) -> Response:
    return site.page(request, "new_run.html", status, scenario=text, problem=problem, examples=tuple(EXAMPLES))


async def _of_run(site: Site, run_id: str) -> str:
    """What an earlier run was asked for."""
    return _scenario_text((await asyncio.to_thread(site.parts.store.record, run_id)).request)


def _example(name: str) -> dict[str, Any]:
    if name not in EXAMPLES:
        raise NotFoundError(f"There is no example {name!r:.60}; there are {', '.join(EXAMPLES)}.")
    return EXAMPLES[name]


def _with_seed(scenario: dict[str, Any], seed: str) -> dict[str, Any]:
    """The scenario with another seed; what is no number is left for the API to refuse."""
    if not seed.strip():
        return scenario
    try:
        given: Any = int(seed)
    except ValueError:
        given = seed
    return scenario | {"run_options": scenario.get("run_options", {}) | {"seed": given}}


def _scenario_text(scenario: dict[str, Any]) -> str:
    return json.dumps(scenario, indent=2, ensure_ascii=False)
