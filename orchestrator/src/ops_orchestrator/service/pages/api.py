"""`/docs`: the calls of the API, each of which can be tried from the page."""

import asyncio
from functools import cache
from importlib.resources import files
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from ops_orchestrator.service.pages.assets import asset
from ops_orchestrator.service.pages.site import POLICY, Page, Site

_SWAGGER: Final = "fastapi_swagger.resources"
_POLICY: Final = POLICY.replace("img-src 'self'", "img-src 'self' data:")
"""Swagger's sheet holds its icons as data."""


async def api(site: Site, request: Request) -> Response:
    """The page, in which Swagger UI draws what /openapi.json says."""
    return site.page(request, "api.html", policy=_POLICY)


async def swagger_script(_: Site, request: Request) -> Response:
    """Swagger UI."""
    return asset(request, await asyncio.to_thread(_swagger, "swagger-ui-bundle.js"), "text/javascript; charset=utf-8")


async def swagger_style(_: Site, request: Request) -> Response:
    """Its sheet."""
    return asset(request, await asyncio.to_thread(_swagger, "swagger-ui.css"), "text/css; charset=utf-8")


PAGES: Final = (
    Page("/docs", api),
    Page("/assets/swagger-ui-bundle.js", swagger_script),
    Page("/assets/swagger-ui.css", swagger_style),
)


@cache
def _swagger(name: str) -> bytes:
    """A file of the package fastapi-swagger, of which nothing else is used."""
    return files(_SWAGGER).joinpath(name).read_bytes()
