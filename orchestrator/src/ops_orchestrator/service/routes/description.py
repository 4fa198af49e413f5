"""`GET /openapi.json`: what the service says of itself; the page /docs shows it."""

from functools import cache
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.responses import JSONResponse

from ops_orchestrator.service.openapi import document_of


def description_routes(app: FastAPI, *, asks_for_keys: bool) -> APIRouter:
    """The route that describes `app`, which may ask its callers for keys."""
    router = APIRouter(include_in_schema=False)

    @cache
    def document() -> dict[str, Any]:
        return document_of(app, asks_for_keys=asks_for_keys)

    @router.get("/openapi.json")
    async def openapi() -> JSONResponse:
        return JSONResponse(document())

    return router
