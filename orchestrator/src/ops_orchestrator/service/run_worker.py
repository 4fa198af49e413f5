"""A process that executes the runs that others accept: no API, only its health and its metrics. See `ops worker`."""

import os
from functools import partial
from typing import Any

import structlog
from fastapi import FastAPI

import ops_orchestrator
from ops_orchestrator.errors import ConfigurationError
from ops_orchestrator.modules.transport import Transport
from ops_orchestrator.service.app import Service, add_routes
from ops_orchestrator.service.lifespan import drain, lifespan
from ops_orchestrator.service.parts import parts_of
from ops_orchestrator.service.routes.health import health_routes
from ops_orchestrator.service.routes.metrics import metrics_routes
from ops_orchestrator.service.server import serve_until_stopped
from ops_orchestrator.service.service_log import configure_service_log
from ops_orchestrator.settings import Settings

_log: Any = structlog.get_logger("ops_orchestrator.worker")


def work(settings: Settings) -> None:
    """Execute runs until a signal ends the process: the first drains it. Raises ConfigurationError, StoreError."""
    configure_service_log(settings.log_format)
    # Nobody starts a run here, and what ages and is swept is for those who serve.
    own = {"host": settings.worker_host, "port": settings.worker_port, "embedded_workers": 1, "retention_days": None}
    settings = settings.model_copy(update=own)
    service = create_worker(settings)
    serve_until_stopped(service.app, settings, partial(_announce, settings), service)


def create_worker(settings: Settings, transport: Transport | None = None) -> Service:
    """The worker. Takes and raises what `parts_of` does, and ConfigurationError when there is no database."""
    if settings.database_url is None:
        raise ConfigurationError("`ops worker` needs OPS_DATABASE_URL, where it finds the runs that others accept")
    if settings.read_only:
        raise ConfigurationError("`ops worker` writes runs; unset OPS_READ_ONLY")
    parts = parts_of(settings, transport, None)
    app = FastAPI(title="OpenPolicyStack worker", lifespan=partial(lifespan, parts), openapi_url=None)
    add_routes(
        app,
        health_routes(parts.store, parts.runs, read_only=False, away=parts.away),
        metrics_routes(parts.scrapes),
    )
    return Service(app, partial(drain, parts, settings.drain_s), parts.reloading.on_signal)


def _announce(settings: Settings, url: str) -> None:
    message = f"executes up to {settings.max_concurrent_runs} runs at once; its health and metrics are at {url}"
    _log.info("worker.started", url=url, version=ops_orchestrator.__version__, process=os.getpid(), message=message)
