"""`GET /runs/{run_id}/archive`: a run as a zip file, made while it is sent."""

import asyncio
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from ops_orchestrator.errors import DamagedRunError
from ops_orchestrator.runs.archive.damage import damage_of
from ops_orchestrator.runs.archive.writing import archive_pieces, check_over
from ops_orchestrator.runs.store.protocols import RunStore, StoredRun
from ops_orchestrator.service.head import is_head
from ops_orchestrator.service.made_file import MadeFile
from ops_orchestrator.service.openapi import Responses, problems

_MEDIA_TYPE: Final = "application/zip"
_RESPONSES: Final[Responses] = {
    200: {
        "description": "The zip file, which ends early, as a broken answer, when the run changes meanwhile.",
        "content": {_MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}},
    },
    **problems(404, 409, 500, 503),
}


def archive_routes(store: RunStore) -> APIRouter:
    """The route over the runs in `store`."""
    router = APIRouter(prefix="/runs", tags=["runs"])

    @router.get(
        "/{run_id}/archive",
        summary="A run that is over as a zip file, for ops runs import",
        response_class=Response,
        responses=_RESPONSES,
    )
    async def get_archive(request: Request, run_id: str) -> Response:
        run = store.run(run_id)
        headers = {
            "Content-Type": _MEDIA_TYPE,
            "Content-Disposition": f'attachment; filename="{run_id}.zip"',
            "Cache-Control": "no-cache",
        }
        if is_head(request.scope):
            await asyncio.to_thread(lambda: check_over(run.record()))
            # Without a length, which nobody knows.
            return StreamingResponse(iter(()), headers=headers)
        await asyncio.to_thread(_check, run)
        return MadeFile(archive_pieces([run]), headers)

    return router


def _check(run: StoredRun) -> None:
    """Raise ConflictError unless the run is over, and DamagedRunError unless it is intact."""
    check_over(run.record())
    if damage := damage_of(run):
        raise DamagedRunError(run.location, damage.file, damage.reason)
