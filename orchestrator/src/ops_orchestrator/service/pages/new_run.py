"""`/runs/new` and the form on `/`: a run of an example or of one's own scenario."""

import json
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from ops_orchestrator.errors import NotFoundError
from ops_orchestrator.planning.examples import EXAMPLES
from ops_orchestrator.service.pages.forms import read_form
from ops_orchestrator.service.pages.site import Page, Site


async def form(site: Site, request: Request) -> Response:
    """A scenario to be edited: an example, that of an earlier run, or the first example."""
    text = _scenario_text(_example(request.query_params.get("example") or next(iter(EXAMPLES))))
    return _form(site, request, text, {})


async def start(site: Site, request: Request) -> Response:
    """Start a run of what was sent, and show it; what the API refuses is shown above the text, which is kept."""
    fields = await read_form(request, site.parts.hosts)
    text = fields.get("scenario", [""])[0]
    if not text:
        text = _scenario_text(_with_seed(_example(fields.get("example", [""])[0]), fields.get("seed", [""])[0]))
    answer = await site.post(request, "/plan_and_execute", text.encode())
    if not answer.is_good:
        return _form(site, request, text, answer.json, answer.status)
    return site.see(f"/runs/{answer.json['run_id']}")


PAGES: Final = (Page("/runs/new", form), Page("/runs", start, "POST"))


def _form(site: Site, request: Request, text: str, problem: dict[str, Any], status: int = 200) -> Response:
    return site.page(request, "new_run.html", status, scenario=text, problem=problem, examples=tuple(EXAMPLES))


def _example(name: str) -> dict[str, Any]:
    if name not in EXAMPLES:
        raise NotFoundError(f"There is no example {name!r:.60}; there are {', '.join(EXAMPLES)}.")
    return EXAMPLES[name]


def _with_seed(scenario: dict[str, Any], seed: str) -> dict[str, Any]:
    """The scenario with another seed; what is no number is left for the API to refuse."""
    if not seed.strip():
        return scenario
    given: Any = int(seed) if seed.strip().lstrip("-").isdecimal() else seed
    return scenario | {"run_options": scenario.get("run_options", {}) | {"seed": given}}


def _scenario_text(scenario: dict[str, Any]) -> str:
    return json.dumps(scenario, indent=2, ensure_ascii=False)
