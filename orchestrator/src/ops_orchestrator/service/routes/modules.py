"""`GET /modules`: the registered modules with their live health."""

import asyncio
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter

from ops_orchestrator.errors import StepError
from ops_orchestrator.modules.catalogue import Catalogue
from ops_orchestrator.modules.client import ModuleClient
from ops_orchestrator.modules.module import Module
from ops_orchestrator.modules.readiness import check_health
from ops_orchestrator.service.answers import ModuleList
from ops_orchestrator.service.json_response import SafeJsonResponse
from ops_orchestrator.service.openapi import problems


def modules_routes(catalogue: Catalogue, client: ModuleClient) -> APIRouter:
    """The route over the modules in `catalogue`."""
    router = APIRouter(tags=["modules"], default_response_class=SafeJsonResponse)

    @router.get(
        "/modules",
        summary="The registered modules with their live health",
        response_model=ModuleList,
        response_model_exclude_unset=True,
        responses=problems(500),
    )
    async def list_modules() -> dict[str, Any]:
        modules = catalogue.modules.values()
        return {"modules": await asyncio.gather(*(_described(client, module) for module in modules))}

    return router


async def _described(client: ModuleClient, module: Module) -> dict[str, Any]:
    registered = {
        "name": module.name,
        "url": module.address,
        "image_digest": module.image_digest,
        "actions": module.action_names,
        "adapter": module.adapter and (module.adapter.base or "declared"),
    }
    try:
        readiness = await check_health(client, module)
    except StepError as error:
        return registered | {"ready": False, "code": error.failure.code, "reason": error.failure.message}
    return registered | {"ready": True} | asdict(readiness)
