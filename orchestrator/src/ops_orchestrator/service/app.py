"""The service put together: settings in, application out, everything passed on through constructors."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import structlog
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.types import ASGIApp

import ops_orchestrator
from ops_orchestrator.descriptors import limit, places_for
from ops_orchestrator.errors import StoreError
from ops_orchestrator.modules.client import ModuleClient
from ops_orchestrator.modules.transport import Transport
from ops_orchestrator.runs.active_runs import ActiveRuns
from ops_orchestrator.runs.event_stream import EventStream
from ops_orchestrator.runs.shared_turns import SharedTurns
from ops_orchestrator.runs.store.folder import FolderStore
from ops_orchestrator.runs.store.index_update import Progress
from ops_orchestrator.runs.store.retention import Retention, retention_of
from ops_orchestrator.runs.store.room import Room
from ops_orchestrator.runs.store.run_folder import Signer
from ops_orchestrator.runs.store.store_size import StoreSize
from ops_orchestrator.runs.store.verdicts import VerdictStore
from ops_orchestrator.runs.sweeps.active_sweeps import ActiveSweeps
from ops_orchestrator.runs.sweeps.sweep_run import RunsOfSweeps
from ops_orchestrator.runs.sweeps.sweep_store import SweepStore
from ops_orchestrator.runs.turns import LocalTurns, Turns
from ops_orchestrator.service.access.access import Access
from ops_orchestrator.service.access.gate import Gate
from ops_orchestrator.service.allowed_hosts import AllowedHosts, AllowedHostsOnly
from ops_orchestrator.service.cross_origin import CrossOrigin
from ops_orchestrator.service.head import HeadAsGet
from ops_orchestrator.service.hot_route import HotRoute
from ops_orchestrator.service.metrics.scrape import PATH as METRICS_PATH
from ops_orchestrator.service.metrics.scrape import Looked, Metrics, Scrapes
from ops_orchestrator.service.own_pages import OwnPagesOnly
from ops_orchestrator.service.pages.negotiation import PagesFirst
from ops_orchestrator.service.problem import install_problem_handlers
from ops_orchestrator.service.read_only import ReadOnly
from ops_orchestrator.service.reloading import RELOAD, ModulesFile, Reloading
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
    PATH,
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
from ops_orchestrator.service.seen_modules import ModuleViewer
from ops_orchestrator.service.service_log import RunLog
from ops_orchestrator.service.siblings import AmongSiblings, Siblings, ToldBySiblings, Worker
from ops_orchestrator.service.takeover import Takeover
from ops_orchestrator.service.tracing.exported import SpanExport, span_export
from ops_orchestrator.settings import Durability, Settings, listed

_KEEP_UP_EVERY_S: Final = 2.0

_log: Any = structlog.get_logger("ops_orchestrator")


@dataclass(frozen=True)
class _Parts:
    """What the service is made of."""

    reloading: Reloading
    events: EventStream
    store: FolderStore
    size: StoreSize | None
    retention: Retention | None
    client: ModuleClient
    turns: Turns
    runs: ActiveRuns
    viewer: ModuleViewer
    sweep_store: SweepStore
    sweeps: ActiveSweeps
    takeover: Takeover
    siblings: Siblings
    spans: SpanExport | None
    metrics: Metrics
    scrapes: Scrapes
    access: Access | None
    read_only: bool


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
    """The orchestrator; `transport` replaces the network between it and the modules.

    `worker` says which of several processes this one is that serve together; None when it is the only one.
    Raises ConfigurationError for a bad modules.yaml, StoreError when the run store cannot be made.
    """
    parts = _parts(settings, transport, worker)
    started = Started(parts.runs, parts.store, parts.siblings)
    start_run = plan_and_execute_answer(started, settings.max_request_bytes, settings.max_request_values)
    app = _Application(
        title="OpenPolicyStack orchestrator",
        version=ops_orchestrator.__version__,
        summary="Calls OpenPolicyStack modules in sequence and leaves reproducible run folders.",
        description="Each path that takes GET takes HEAD. Every error is a problem document (RFC 9457).",
        license_info={"name": "EUPL-1.2", "identifier": "EUPL-1.2"},
        lifespan=partial(_lifespan, parts),
        redirect_slashes=False,  # it would answer with an address made from the header Host
        # The description is served by a route of our own, and shown by a page that loads nothing from elsewhere.
        openapi_url=None,
    )
    app.add_middleware(HeadAsGet)
    app.add_middleware(HotRoute, path=PATH, answer=start_run)
    if settings.read_only:
        app.add_middleware(ReadOnly, allowed=(RELOAD,))
    origins = listed(settings.cors_origins)
    app.add_middleware(OwnPagesOnly, origins=origins)
    app.add_middleware(PagesFirst, site=partial(_pages, parts))
    if worker is not None:
        app.add_middleware(AmongSiblings, siblings=parts.siblings, of_workers=frozenset({METRICS_PATH}))
    # Outside of all that, so that what siblings pass on is asked for its key again.
    if parts.access is not None:
        app.add_middleware(Gate, access=parts.access)
    if origins:
        app.add_middleware(CrossOrigin, origins=origins)
    app.add_middleware(AllowedHostsOnly, hosts=AllowedHosts.of(settings))
    if worker is not None:
        app.add_middleware(ToldBySiblings, told={RELOAD: parts.reloading.take})
    install_problem_handlers(app)
    _add_routes(
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
        events_routes(parts.store, parts.events, lambda run_id: parts.runs.find(run_id) is not None),
        modules_routes(parts.viewer, parts.reloading),
        health_routes(parts.store, parts.runs, read_only=settings.read_only),
        metrics_routes(parts.scrapes),
        sweeps_routes(parts.sweeps, parts.sweep_store, settings),
        description_routes(app),
    )
    return Service(app, partial(_drain, parts, settings.drain_s), parts.reloading.on_signal)


def _add_routes(app: FastAPI, *routers: APIRouter) -> None:
    """Add the routes of `routers` as they are: `include_router` would have the first request wait until each is made again."""
    for router in routers:
        for route in router.routes:
            if isinstance(route, APIRoute):
                route.operation_id = route.name
        app.router.routes.extend(router.routes)


def _parts(settings: Settings, transport: Transport | None, worker: Worker | None) -> _Parts:
    file = ModulesFile.read(settings.modules_file, worker)
    registration = file.registration
    events, metrics, spans = EventStream(), Metrics(registration), span_export(os.environ)
    size = None if settings.max_store_bytes is None else StoreSize(settings.runs_dir)
    store = FolderStore.open(
        settings.runs_dir,
        (RunLog(settings.log_format), events, metrics.consumer, *([spans] if spans else [])),
        durability=settings.durability,
        sync=settings.sync,
        report=_log_progress,
        in_background=True,
        read_only=settings.read_only,
        signer=_signer(settings, worker),
        room=Room(settings.runs_dir, settings.min_free_bytes, settings.max_store_bytes, size),
    )
    client = ModuleClient(settings.limits, transport)
    turns = _turns(settings, worker)
    runs = ActiveRuns(
        registration, store, client, turns=turns, image_digest=settings.image_digest, leaves_runs=settings.resume_interrupted
    )
    durability: Durability = "os" if settings.read_only else settings.durability  # there is nothing to flush
    sweep_store = SweepStore.open(settings.runs_dir, durability, settings.sync)
    through = RunsOfSweeps(runs, store, settings.max_concurrent_runs, leaves_sweeps=settings.resume_interrupted)
    siblings = Siblings(worker.siblings if worker else (), runs.find, store)
    return _Parts(
        reloading=Reloading(file, siblings),
        events=events,
        store=store,
        size=size,
        retention=_retention(settings, store, worker),
        client=client,
        turns=turns,
        runs=runs,
        viewer=ModuleViewer(registration, client, store, VerdictStore(settings.runs_dir)),
        sweep_store=sweep_store,
        sweeps=ActiveSweeps(registration, sweep_store, through),
        takeover=Takeover(store, runs if settings.resume_interrupted else None),
        siblings=siblings,
        spans=spans,
        metrics=metrics,
        scrapes=Scrapes(metrics, Looked(registration, client, runs, store, settings), worker),
        access=_access(settings, worker),
        read_only=settings.read_only,
    )


@asynccontextmanager
async def _lifespan(parts: _Parts, _: FastAPI) -> AsyncIterator[None]:
    """Put in order what a dead service left, and stop in an order in which no run is left half written."""
    later = [asyncio.create_task(_keep_up(parts.store))] if parts.read_only else await _taken_over(parts)
    for background in (parts.retention, parts.size):
        if background is not None:
            background.start()
    parts.metrics.start()
    if not parts.read_only and (reason := parts.store.unwritable()):
        _log.error("store.unwritable", message=reason)
    yield
    parts.metrics.stop()
    await parts.scrapes.stop()
    for task in later:
        task.cancel()
    await parts.runs.stop()
    await parts.sweeps.stop()
    parts.turns.close()
    parts.events.close()
    for background in (parts.retention, parts.size):
        if background is not None:
            await asyncio.to_thread(background.stop)
    await parts.client.aclose()
    await asyncio.to_thread(parts.sweep_store.close)
    await asyncio.to_thread(parts.store.close)
    if parts.spans is not None:
        await asyncio.to_thread(parts.spans.close)
    if parts.access is not None:
        parts.access.sessions.close()


async def _taken_over(parts: _Parts) -> list["asyncio.Task[None]"]:
    """Begin to put in order what a dead service left; returns what goes on with that. Raises OSError, StoreError."""
    is_complete = parts.store.is_complete
    again = await parts.takeover.begin()
    return [
        asyncio.create_task(parts.takeover.keep_on(again, is_complete=is_complete)),
        asyncio.create_task(parts.sweeps.take_over()),
    ]


async def _keep_up(store: FolderStore) -> None:
    """List the runs that another service writes."""
    while True:
        await asyncio.sleep(_KEEP_UP_EVERY_S)
        with suppress(StoreError):
            await asyncio.to_thread(store.keep_up)


def _retention(settings: Settings, store: FolderStore, worker: Worker | None) -> Retention | None:
    if settings.read_only or not (worker is None or worker.is_first):
        return None
    return retention_of(store, settings.retention_days)


async def _drain(parts: _Parts, seconds: int) -> None:
    """Let the runs under way end, and start no more. Sweeps start no more points, and end with those under way."""
    count = parts.runs.count
    if not seconds:
        return
    message = f"no run is started any more; {count} under way may end within {seconds} s; another signal stops them at once"
    _log.info("service.draining", runs=count, message=message)
    await parts.runs.drain(seconds)


def _pages(parts: _Parts, api: ASGIApp) -> ASGIApp:
    """The pages, which take a tenth of a second and 20 MiB to load."""
    from ops_orchestrator.service.pages.site import Parts, site  # noqa: PLC0415  # see above

    read = Parts(parts.store, parts.sweep_store, parts.viewer, parts.reloading.file, parts.access, parts.read_only)
    return site(read, api)


def _access(settings: Settings, worker: Worker | None) -> Access | None:
    """Who may use the service, if that is not everybody. Raises ConfigurationError."""
    if settings.api_keys_file is None:
        return None
    sessions = None if worker is None else worker.folder / "sessions"
    is_https = (settings.published_at or "").startswith("https://")
    return Access.of(settings.api_keys_file, sessions, is_https=is_https, warns=worker is None or worker.is_first)


def _signer(settings: Settings, worker: Worker | None) -> Signer | None:
    """What signs runs, if a key is set. Raises ConfigurationError."""
    if settings.signing_key is None:
        return None
    from ops_orchestrator.runs.signing import read_signing_key, why_exposed  # noqa: PLC0415  # its library is not needed otherwise

    signer = read_signing_key(settings.signing_key)
    if (worker is None or worker.is_first) and (warning := why_exposed(settings.signing_key)):
        _log.warning("signing_key.exposed", message=warning)
    return signer


def _turns(settings: Settings, worker: Worker | None) -> Turns:
    at_once, most_waiting, warning = places_for(settings, limit())
    if warning is not None and (worker is None or worker.is_first):
        _log.warning("descriptors.few", message=warning)
    if worker is None:
        return LocalTurns(at_once, most_waiting)
    return SharedTurns.open(worker.folder, worker.number, worker.count, at_once=at_once, most_waiting=most_waiting)


def _log_progress(progress: Progress) -> None:
    share = f"{progress.done / progress.total:.0%}"
    message = f"{progress.done} of {progress.total} runs were read for the list of runs, {share}"
    _log.info("index.reading", done=progress.done, total=progress.total, message=message)
