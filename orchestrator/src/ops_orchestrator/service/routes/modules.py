"""`GET /modules` and below: the registered modules with their live health, the last verdict on them, and their calls."""

import asyncio
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from ops_orchestrator.runs.record import RunRecord, StepRecord
from ops_orchestrator.service.answers import ModuleAnswer, ModuleList, Reloaded
from ops_orchestrator.service.json_response import SafeJsonResponse
from ops_orchestrator.service.openapi import problems, stored
from ops_orchestrator.service.reloading import ModulesFile, Reloading
from ops_orchestrator.service.security_headers import INERT
from ops_orchestrator.service.seen_modules import LAST_CALLS, ModuleViewer
from ops_orchestrator.service.stored_file import StoredFile, respond_with

_REPORT: Final[dict[str, Any]] = stored({"text/html": {"schema": {"type": "string"}}}, "The kit's report.")


def modules_routes(viewer: ModuleViewer, reloading: Reloading) -> APIRouter:
    """The routes over the modules that `viewer` looks at, and that `reloading` reads again."""
    router = APIRouter(prefix="/modules", tags=["modules"], default_response_class=SafeJsonResponse)

    @router.get(
        "",
        summary="The registered modules with their live health",
        response_model=ModuleList,
        response_model_exclude_unset=True,
        responses=problems(500, 503),
    )
    async def list_modules() -> dict[str, Any]:
        seen = await viewer.see(list(viewer.registration.catalogue.modules.values()))
        return {
            "modules": [module.as_json() for module in seen],
            "modules_file": await asyncio.to_thread(_state, reloading.file),
        }

    @router.post(
        "/reload",
        summary="Read modules.yaml again: a good file takes effect in all workers, a wrong one changes nothing",
        response_model=Reloaded,
        responses=problems(409),
    )
    async def reload_modules() -> dict[str, Any]:
        return (await reloading.reload()).as_json()

    @router.get(
        "/{name}",
        summary="A registered module: its health, what the last compliance check found, and its last calls",
        response_model=ModuleAnswer,
        response_model_exclude_unset=True,
        responses=problems(404, 500, 503),
    )
    async def get_module(name: str) -> dict[str, Any]:
        module = viewer.registered(name)
        (seen,) = await viewer.see([module])
        calls = await asyncio.to_thread(viewer.store.last_calls, name, LAST_CALLS)
        verdict = seen.compliance.verdict
        return seen.as_json() | {
            "declared": module.declared(),
            "findings": [finding.model_dump() for finding in verdict.findings] if verdict else [],
            "findings_left_out": verdict.findings_left_out if verdict else 0,
            "last_calls": [_call(record, step) for record, step in calls],
        }

    @router.get("/{name}/compliance.html", summary="The whole report of a module's last compliance check", **_REPORT)
    async def get_compliance_report(request: Request, name: str) -> Response:
        content = await asyncio.to_thread(viewer.verdicts.report, viewer.registered(name).name)
        # A module wrote some of it, and whoever can write to the store may have written all of it.
        return respond_with(StoredFile.made(content, "text/html; charset=utf-8"), request, {"Content-Security-Policy": INERT})

    return router


def _state(file: ModulesFile) -> dict[str, Any]:
    return {"read_at": file.read_at.isoformat().replace("+00:00", "Z"), "is_current": file.is_current()}


def _call(record: RunRecord, step: StepRecord) -> dict[str, Any]:
    return {
        "run_id": record.run_id,
        "step": step.id,
        "status": step.status,
        "started_at": step.started_at,
        "finished_at": step.finished_at,
        "version": step.module_version,
        "error": step.error["message"] if step.error else None,
    }
