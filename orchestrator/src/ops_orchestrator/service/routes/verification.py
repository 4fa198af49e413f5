"""`GET /runs/{run_id}/verification`: whether a stored run is as it was written."""

import asyncio
from typing import Any

from fastapi import APIRouter

from ops_orchestrator.runs.store.protocols import RunStore
from ops_orchestrator.runs.verification import verify_run
from ops_orchestrator.service.answers import RunVerification
from ops_orchestrator.service.json_response import SafeJsonResponse
from ops_orchestrator.service.openapi import problems


def verification_routes(store: RunStore) -> APIRouter:
    """The route that verifies the runs in `store`."""
    router = APIRouter(prefix="/runs", tags=["runs"], default_response_class=SafeJsonResponse)
    # Each reads all of a run, and holds its documents in memory.
    turn = asyncio.Lock()

    @router.get(
        "/{run_id}/verification",
        summary="Whether a run is intact: its files, log, documents, fingerprints and signature against each other",
        response_model=RunVerification,
        responses=problems(404, 500, 503),
    )
    async def get_verification(run_id: str) -> dict[str, Any]:
        async with turn:
            verification = await asyncio.to_thread(verify_run, store.run(run_id))
        return verification.as_json()

    return router
