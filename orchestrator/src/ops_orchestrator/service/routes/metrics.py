"""`GET /metrics`: what the service counts and measures, for Prometheus."""

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from ops_orchestrator.service.metrics.scrape import PATH, Scrapes
from ops_orchestrator.service.openapi import Responses

_TEXT: Final = {"schema": {"type": "string"}}
_RESPONSES: Final[Responses] = {
    200: {
        "description": "The metrics that docs/observability.md lists, of all workers.",
        "content": {"text/plain": _TEXT, "application/openmetrics-text": _TEXT},
    }
}


def metrics_routes(scrapes: Scrapes) -> APIRouter:
    """The route, which `scrapes` answers."""
    router = APIRouter(tags=["service"])

    @router.get(PATH, summary="Metrics, for Prometheus", response_class=Response, responses=_RESPONSES)
    async def get_metrics(request: Request) -> Response:
        return await scrapes.answer(request)

    return router
