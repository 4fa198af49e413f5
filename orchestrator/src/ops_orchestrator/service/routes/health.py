"""`GET /health` and `GET /ready`: is the process alive, and can it take a run?"""

import asyncio
from collections.abc import Callable

from fastapi import APIRouter

import ops_orchestrator
from ops_orchestrator.runs.store.protocols import RunStore
from ops_orchestrator.runs.under_way import Runs
from ops_orchestrator.service.answers import Alive, NotReady, Ready
from ops_orchestrator.service.json_response import SafeJsonResponse


def health_routes(store: RunStore, runs: Runs, *, read_only: bool, away: Callable[[], str | None]) -> APIRouter:
    """The routes; `store` and `runs` decide on readiness, and `away`, which says why what runs need besides is not there.

    A service that is `read_only` need not be able to store a run.
    """
    router = APIRouter(tags=["service"])

    @router.get("/health", summary="Liveness")
    async def health() -> Alive:
        return Alive(status="ok", module="orchestrator", version=ops_orchestrator.__version__)

    @router.get(
        "/ready",
        summary="Readiness: 503 while no run can be stored, or the service is stopping",
        response_model=Ready,
        responses={503: {"model": NotReady, "description": "No run can be stored, or the service is stopping."}},
    )
    async def ready() -> SafeJsonResponse:
        reason = "the service is stopping" if runs.stopping else away()
        if reason is None:
            reason = await asyncio.to_thread(store.unwritable)
        if reason is None:
            return SafeJsonResponse(Ready(durability=store.durability, read_only=read_only).model_dump())
        return SafeJsonResponse(NotReady(reason=reason).model_dump(), 503)

    return router
