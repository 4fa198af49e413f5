"""`/assets/print/{run_id}.css`: names the run in the margin of a printed page, which may have no style of its own."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from ops_orchestrator.errors import NotFoundError
from ops_orchestrator.runs.run_id import RUN_ID
from ops_orchestrator.service.pages.assets import asset
from ops_orchestrator.service.pages.site import Page, Site


async def print_margin(_: Site, request: Request) -> Response:
    """The sheet; whether there is such a run does not matter to it."""
    run_id = request.path_params["run_id"]
    if RUN_ID.fullmatch(run_id) is None:
        raise NotFoundError("A printed page names a run, and this is not the id of one.")
    sheet = f'@page {{ @bottom-left {{ content: "{run_id}"; font: 8pt sans-serif; }} }}\n'
    return asset(request, sheet.encode(), "text/css; charset=utf-8")


PAGES: Final = (Page("/assets/print/{run_id}.css", print_margin),)
