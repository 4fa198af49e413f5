"""The service as an application: its routes, and the layers around them."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.types import ASGIApp

import ops_orchestrator
from ops_orchestrator.modules.transport import Transport
from ops_orchestrator.service.layers import layers
from ops_orchestrator.service.lifespan import drain, lifespan
from ops_orchestrator.service.parts import parts_of
from ops_orchestrator.service.problem import install_problem_handlers
from ops_orchestrator.service.routes.archive import archive_routes
from ops_orchestrator.service.routes.artifacts import artifacts_routes
from ops_orchestrator.service.routes.comparison import comparison_routes, several_routes
from ops_orchestrator.service.routes.description import description_routes
from ops_orchestrator.service.routes.events import events_routes
from ops_orchestrator.service.routes.evidence import evidence_routes
from ops_orchestrator.service.routes.health import health_routes
from ops_orchestrator.service.routes.metrics import metrics_routes
from ops_orchestrator.service.routes.modules import modules_routes
from ops_orchestrator.service.routes.plan_and_execute import (
    Started,
    plan_and_execute_answer,
    plan_and_execute_routes,
)
from ops_orchestrator.service.routes.report import report_routes
from ops_orchestrator.service.routes.reproduction import reproduction_routes
from ops_orchestrator.service.routes.ro_crate import ro_crate_routes
from ops_orchestrator.service.routes.run_control import run_control_routes
from ops_orchestrator.service.routes.runs import runs_routes
from ops_orchestrator.service.routes.sweeps import sweeps_routes
from ops_orchestrator.service.routes.verification import verification_routes
from ops_orchestrator.service.security_headers import SecurityHeaders
from ops_orchestrator.service.siblings import Worker
from ops_orchestrator.settings import Settings


class _Application(FastAPI):
    def build_middleware_stack(self) -> ASGIApp:
        # Outside the layer that answers what no other one expected.
        return SecurityHeaders(super().build_middleware_stack())


@dataclass(frozen=True)
class Service:
    """The application, and what whoever serves it may have it do besides."""

    app: FastAPI
    drain: Callable[[], Coroutine[Any, Any, None]]
    """Refuses new runs from now on; returns when none is under way, or OPS_DRAIN_S have passed."""
    reload: Callable[[], Coroutine[Any, Any, None]]
    """Reads modules.yaml again; the log says what became of that."""


def create_app(settings: Settings, transport: Transport | None = None, worker: Worker | None = None) -> FastAPI:
    """The orchestrator as an ASGI application; see `create_service`."""
    return create_service(settings, transport, worker).app


def create_service(settings: Settings, transport: Transport | None = None, worker: Worker | None = None) -> Service:
    """The orchestrator. Takes and raises what `parts_of` does."""
    parts = parts_of(settings, transport, worker)
    started = Started(parts.runs, parts.store, parts.siblings)
    start_run = plan_and_execute_answer(started, settings.max_request_bytes, settings.max_request_values)
    app = _Application(
        title="OpenPolicyStack orchestrator",
        version=ops_orchestrator.__version__,
        summary="Calls OpenPolicyStack modules in sequence and leaves reproducible run folders.",
        description="Each path that takes GET takes HEAD. Every error is a problem document (RFC 9457).",
        license_info={"name": "EUPL-1.2", "identifier": "EUPL-1.2"},
        lifespan=partial(lifespan, parts),
        redirect_slashes=False,  # it would answer with an address made from the header Host
        # The description is served by a route of our own, and shown by a page that loads nothing from elsewhere.
        openapi_url=None,
        middleware=[*layers(parts, settings, start_run)],
    )
    install_problem_handlers(app)
    add_routes(
        app,
        plan_and_execute_routes(start_run),
        runs_routes(parts.store, parts.runs),
        artifacts_routes(parts.store),
        evidence_routes(parts.store, parts.runs),
        comparison_routes(parts.store),
        several_routes(parts.store),
        archive_routes(parts.store),
        report_routes(parts.store),
        ro_crate_routes(parts.store),
        verification_routes(parts.store),
        run_control_routes(parts.runs, parts.store, parts.siblings),
        reproduction_routes(parts.runs, parts.store, started, parts.reloading.file.registration, settings.max_request_bytes),
        events_routes(parts.store, parts.events, parts.executes, parts.brings_lines_of),
        modules_routes(parts.viewer, parts.reloading),
        health_routes(parts.store, parts.runs, read_only=settings.read_only, away=parts.away),
        metrics_routes(parts.scrapes),
        sweeps_routes(parts.sweeps, parts.sweep_store, settings),
        description_routes(app, asks_for_keys=parts.access is not None),
    )
    return Service(app, partial(drain, parts, settings.drain_s), parts.reloading.on_signal)


def add_routes(app: FastAPI, *routers: APIRouter) -> None:
    """Add the routes of `routers` as they are: `include_router` would have the first request wait until each is made again."""
    for router in routers:
        for route in router.routes:
            if isinstance(route, APIRoute):
                route.operation_id = route.name
        app.router.routes.extend(router.routes)
