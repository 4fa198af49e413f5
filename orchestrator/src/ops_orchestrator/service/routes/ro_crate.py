"""`GET /runs/{run_id}/ro-crate-metadata.json`: a run's folder described for those who do not know this project."""

import asyncio
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from ops_orchestrator.runs.reports.ro_crate import ro_crate
from ops_orchestrator.runs.store.protocols import RunStore
from ops_orchestrator.service.openapi import problems, stored
from ops_orchestrator.service.stored_file import StoredFile, respond_with

_MEDIA_TYPE: Final = "application/ld+json"
_ANSWERS: Final[dict[str, Any]] = stored({_MEDIA_TYPE: {"schema": {"type": "object"}}}, "The metadata of the crate.")


def ro_crate_routes(store: RunStore) -> APIRouter:
    """The route, for the runs in `store`."""
    router = APIRouter(prefix="/runs", tags=["runs"])

    @router.get(
        "/{run_id}/ro-crate-metadata.json",
        summary="A run that is over as a Provenance Run Crate: the file that describes its folder",
        **{**_ANSWERS, "responses": _ANSWERS["responses"] | problems(409)},
    )
    async def get_ro_crate(request: Request, run_id: str) -> Response:
        content = await asyncio.to_thread(lambda: ro_crate(store.run(run_id)))
        return respond_with(StoredFile.made(content, _MEDIA_TYPE), request)

    return router
