"""The style sheet, the scripts and the icon of the pages."""

from hashlib import sha256
from importlib.resources import files
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from ops_orchestrator.runs.reports.html.environment import sheet
from ops_orchestrator.service.pages.site import Page, Site

_FOLDER: Final = "ops_orchestrator.service.pages"
_MEDIA_TYPES: Final = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8"}
_ICON: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><path fill="#0072b2" d="M1 12h14v3H1z"/>'
    '<path fill="#56b4e9" d="M3 7h10v3H3z"/><path fill="#d55e00" d="M5 2h6v3H5z"/></svg>'
)


async def style(_: Site, request: Request) -> Response:
    """The sheet that all pages share."""
    return asset(request, sheet().encode(), _MEDIA_TYPES["css"])


async def file(_: Site, request: Request) -> Response:
    """A file of the folder `assets`."""
    name = request.url.path.rpartition("/")[2]
    return asset(request, files(_FOLDER).joinpath("assets", name).read_bytes(), _MEDIA_TYPES[name.rpartition(".")[2]])


async def icon(_: Site, request: Request) -> Response:
    """The icon beside the title of a page."""
    return asset(request, _ICON.encode(), "image/svg+xml")


PAGES: Final = (
    Page("/assets/style.css", style),
    Page("/assets/ops.js", file),
    Page("/assets/api.js", file),
    Page("/assets/api.css", file),
    Page("/assets/icon.svg", icon),
)


def asset(request: Request, content: bytes, media_type: str) -> Response:
    """A file that belongs to the pages; a browser asks each time whether it is still the same."""
    tag = f'"{sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, 200, headers | {"Content-Type": media_type})
