"""`GET /openapi.json` and `GET /docs`: what the service says of itself, without anything from elsewhere."""

from functools import cache
from importlib.resources import files
from io import BytesIO
from typing import Any, Final

from fastapi import APIRouter, FastAPI, HTTPException, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, JSONResponse, Response

from ops_contract import sha256_hex
from ops_orchestrator.service.openapi import document_of
from ops_orchestrator.service.stored_file import StoredFile, respond_with

_ASSETS: Final = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css", "favicon.png": "image/png"}


def description_routes(app: FastAPI) -> APIRouter:
    """The routes that describe `app`."""
    router = APIRouter(include_in_schema=False)

    @cache
    def document() -> dict[str, Any]:
        return document_of(app)

    @router.get("/openapi.json")
    async def openapi() -> JSONResponse:
        return JSONResponse(document())

    @router.get("/docs")
    async def docs() -> HTMLResponse:
        # Addresses relative to the page's are right behind a proxy that serves it below a path.
        return get_swagger_ui_html(
            openapi_url="openapi.json",
            title=app.title,
            swagger_js_url="docs/swagger-ui-bundle.js",
            swagger_css_url="docs/swagger-ui.css",
            swagger_favicon_url="docs/favicon.png",
        )

    @router.get("/docs/{name}")
    async def asset(request: Request, name: str) -> Response:
        if name not in _ASSETS:
            raise HTTPException(404)
        content, digest = _asset(name)
        return respond_with(StoredFile(BytesIO(content), len(content), _ASSETS[name], digest), request)

    return router


@cache
def _asset(name: str) -> tuple[bytes, str]:
    content = (files("fastapi_offline") / "static" / name).read_bytes()
    return content, sha256_hex(content)
