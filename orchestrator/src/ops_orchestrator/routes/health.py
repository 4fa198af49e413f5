"""`GET /health` and `GET /ready`: does the process live, and can it take a run?"""

import asyncio
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

import ops_orchestrator
from ops_orchestrator.run_store import RunStore


def health_routes(store: RunStore) -> APIRouter:
    """The routes; `store` decides on readiness."""
    router = APIRouter(tags=["service"])

    @router.get("/health", summary="Liveness")
    async def health() -> dict[str, Any]:
        return {"status": "ok", "module": "orchestrator", "version": ops_orchestrator.__version__}

    @router.get("/ready", summary="Readiness: 503 while no run can be stored")
    async def ready() -> JSONResponse:
        reason = await asyncio.to_thread(store.unwritable)
        if reason is None:
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": "not ready", "reason": reason}, 503)

    return router
