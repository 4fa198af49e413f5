"""`GET /runs/{run_id}/artifacts`: what the steps of a run delivered."""

import asyncio
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from ops_orchestrator.runs.record import ArtifactRecord
from ops_orchestrator.runs.store.protocols import RunStore
from ops_orchestrator.service.answers import ArtifactList
from ops_orchestrator.service.json_response import SafeJsonResponse
from ops_orchestrator.service.openapi import problems, stored
from ops_orchestrator.service.security_headers import INERT
from ops_orchestrator.service.stored_file import StoredFile, disposition, respond_with

_PRESIGNED_S: Final = 900
_ELSEWHERE: Final = "where the bytes are, for 15 minutes and without a key of this service; of runs in a bucket alone"

_ARTIFACT: Final = stored({"*/*": {}}, "The artifact, with the media type that its module stated.")
_ARTIFACT["responses"] |= {307: {"description": f"With `presigned`: {_ELSEWHERE}."}} | problems(422)

Presigned = Annotated[bool, Query(description=f"be redirected to {_ELSEWHERE}")]


def artifacts_routes(store: RunStore) -> APIRouter:
    """The routes over the artifacts of the runs in `store`."""
    router = APIRouter(prefix="/runs", tags=["runs"], default_response_class=SafeJsonResponse)

    @router.get(
        "/{run_id}/artifacts",
        summary="What a run's steps delivered: media type, size, hash and address",
        response_model=ArtifactList,
        responses=problems(404, 500, 503),
    )
    async def list_artifacts(run_id: str) -> dict[str, Any]:
        results = await asyncio.to_thread(store.results, run_id)
        artifacts = [_listed(run_id, step, artifact) for step, found in results.steps.items() for artifact in found.artifacts]
        return {"run_id": run_id, "artifacts": artifacts}

    @router.get(
        "/{run_id}/artifacts/{step}/{name:path}",
        summary="An artifact's bytes",
        **_ARTIFACT,
    )
    async def get_artifact(request: Request, run_id: str, step: str, name: str, *, presigned: Presigned = False) -> Response:
        if presigned:
            address = await asyncio.to_thread(store.address, run_id, step, name, _PRESIGNED_S)
            if address is not None:
                return RedirectResponse(address, headers={"Cache-Control": "no-store"})
        artifact, opened = await asyncio.to_thread(store.artifact, run_id, step, name)
        file = StoredFile(opened.file, opened.size, artifact.media_type, artifact.sha256, opened.modified)
        # An artifact comes from a module, but is served at our address: a browser must not run it there.
        return respond_with(
            file, request, {"Content-Security-Policy": INERT, "Content-Disposition": disposition(name, artifact.media_type)}
        )

    return router


def _listed(run_id: str, step: str, artifact: ArtifactRecord) -> dict[str, Any]:
    address = f"/runs/{run_id}/artifacts/{quote(step)}/{quote(artifact.name)}"
    described = artifact.ref.model_dump() | {"title": artifact.title, "description": artifact.description}
    return {"step": step, **described, "address": None if artifact.path is None else address}
