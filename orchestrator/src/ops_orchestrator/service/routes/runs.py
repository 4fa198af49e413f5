"""`GET /runs` and everything below it: what was done, read from the run folders."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from fastapi.responses import Response, StreamingResponse

from ops_orchestrator.runs.record import LOGS, RECORD, RESULTS
from ops_orchestrator.runs.store.plain_file import OpenFile
from ops_orchestrator.runs.store.protocols import ListedStatus, RunStore

_PIECE_BYTES: Final = 256 * 1024


def runs_routes(store: RunStore) -> APIRouter:
    """The routes over the runs in `store`."""
    router = APIRouter(prefix="/runs", tags=["runs"])

    @router.get("", summary="The runs, newest first")
    async def list_runs(
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
        cursor: Annotated[str | None, Query(description="next_cursor of the page before")] = None,
        scenario_id: str | None = None,
        status: ListedStatus | None = None,
    ) -> dict[str, Any]:
        page = await asyncio.to_thread(store.page, limit, cursor, scenario_id, status)
        return {"runs": [record.summary() for record in page.runs], "next_cursor": page.next_cursor}

    @router.get("/{run_id}", summary="A run's record: request, plan, steps, versions, pointers, fingerprints")
    async def get_run(run_id: str) -> Response:
        return await _document(store, run_id, RECORD, "application/json")

    @router.get("/{run_id}/results", summary="A run's merged results")
    async def get_results(run_id: str) -> Response:
        return await _document(store, run_id, RESULTS, "application/json")

    @router.get("/{run_id}/logs", summary="A run's log, one JSON event a line")
    async def get_logs(run_id: str) -> Response:
        return await _document(store, run_id, LOGS, "application/x-ndjson")

    @router.get("/{run_id}/artifacts/{step}/{name:path}", summary="An artifact's bytes")
    async def get_artifact(run_id: str, step: str, name: str) -> Response:
        artifact, opened = await asyncio.to_thread(store.artifact, run_id, step, name)
        # An artifact comes from a module, but is served at our address: a browser must not run it there.
        headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox", "ETag": f'"{artifact.sha256}"'}
        headers["Content-Length"] = str(opened.size)
        return StreamingResponse(_pieces(opened), media_type=artifact.media_type, headers=headers)

    return router


def _pieces(opened: OpenFile) -> Iterator[bytes]:
    with closing(opened):
        yield from iter(lambda: opened.file.read(_PIECE_BYTES), b"")


async def _document(store: RunStore, run_id: str, name: str, media_type: str) -> Response:
    return Response(await asyncio.to_thread(store.document, run_id, name), media_type=media_type)
