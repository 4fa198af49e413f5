"""What the service is made of, put together from its settings; everything is passed on through constructors."""

import os
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import structlog

from ops_orchestrator.descriptors import limit, places_for
from ops_orchestrator.errors import ConfigurationError
from ops_orchestrator.modules.client import ModuleClient
from ops_orchestrator.modules.registration import Registration
from ops_orchestrator.modules.transport import Transport
from ops_orchestrator.runs.active_runs import ActiveRuns
from ops_orchestrator.runs.cluster.queued_runs import QueuedRuns, QueuePlaces
from ops_orchestrator.runs.event_stream import EventStream
from ops_orchestrator.runs.log_follower import FollowsRuns, LogFollower
from ops_orchestrator.runs.shared_turns import SharedTurns
from ops_orchestrator.runs.store.index_update import Progress
from ops_orchestrator.runs.store.opening import open_store
from ops_orchestrator.runs.store.protocols import RunStore
from ops_orchestrator.runs.store.retention import Retention, retention_of
from ops_orchestrator.runs.store.signed_log import Signer
from ops_orchestrator.runs.store.store_size import StoreSize
from ops_orchestrator.runs.store.verdicts import VerdictStore
from ops_orchestrator.runs.sweeps.active_sweeps import ActiveSweeps
from ops_orchestrator.runs.sweeps.opening import open_sweeps
from ops_orchestrator.runs.sweeps.runs_of_sweeps import RunsOfSweeps
from ops_orchestrator.runs.sweeps.sweep_store import SweepStore
from ops_orchestrator.runs.turns import LocalTurns, Turns
from ops_orchestrator.runs.under_way import Runs
from ops_orchestrator.service.access.access import Access
from ops_orchestrator.service.access.sessions import LocalSessions, Sessions
from ops_orchestrator.service.access.shared_sessions import SharedSessions
from ops_orchestrator.service.cluster import Cluster
from ops_orchestrator.service.metrics.scrape import Looked, Metrics, Scrapes
from ops_orchestrator.service.reloading import ModulesFile, Reloading
from ops_orchestrator.service.seen_modules import ModuleViewer
from ops_orchestrator.service.service_log import RunLog
from ops_orchestrator.service.siblings import Siblings, Worker
from ops_orchestrator.service.takeover import Takeover
from ops_orchestrator.service.tracing.exported import SpanExport, span_export
from ops_orchestrator.settings import Settings

# Of one sweep, as many runs are waited for at once by the process that drives it.
_POINTS_AT_ONCE: Final = 512
_log: Any = structlog.get_logger("ops_orchestrator")


@dataclass(frozen=True)
class Parts:
    """What the service is made of."""

    reloading: Reloading
    events: FollowsRuns
    store: RunStore
    size: StoreSize | None
    retention: Retention | None
    client: ModuleClient
    turns: Turns
    runs: Runs
    cluster: Cluster | None
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
    worker: Worker | None

    def executes(self, run_id: str) -> bool:
        """Whether this process executes a run."""
        return self.runs.find(run_id) is not None

    def brings_lines_of(self, run_id: str) -> bool:
        """Whether `events` brings the lines of a run that is not over."""
        return self.cluster is not None or self.executes(run_id)

    def away(self) -> str | None:
        """Why what runs need besides the store is not there, in a sentence; None when it is."""
        return self.cluster.away() if self.cluster is not None else None


def parts_of(settings: Settings, transport: Transport | None, worker: Worker | None) -> Parts:
    """`transport` replaces the network between the orchestrator and the modules.

    `worker` says which of several processes this one is that serve together; None when it is the only one.
    Raises ConfigurationError for a bad modules.yaml, StoreError when the run store cannot be made.
    """
    file = ModulesFile.read(settings.modules_file, worker, among_processes=settings.database_url is not None)
    registration = file.registration
    events, metrics, spans = EventStream(), Metrics(registration), span_export(os.environ)
    cluster = _cluster(settings)
    announcers = [] if cluster is None else [cluster.announcer]
    size = None if settings.max_store_bytes is None or settings.runs_url else StoreSize(settings.runs_dir)
    store = open_store(
        settings,
        (RunLog(settings.log_format), events, metrics.consumer, *([spans] if spans else []), *announcers),
        report=_log_progress,
        in_background=True,
        signer=_signer(settings, worker),
        size=size,
    )
    client = ModuleClient(settings.limits, transport)
    turns = _turns(settings, worker)
    active = partial(ActiveRuns, registration, store, client, image_digest=settings.image_digest)
    runs: Runs
    executing: ActiveRuns | None
    if cluster is None:
        runs = executing = active(turns=turns, leaves_runs=settings.resume_interrupted)
    else:
        executing = active(turns=turns, leaves_runs=True) if settings.embedded_workers else None
        runs = QueuedRuns(
            active, store, cluster.queue, news=cluster.news, most_waiting=settings.max_queued_runs, executing=executing
        )
        if executing is not None:
            cluster.execute_with(executing, store, settings.max_concurrent_runs)
    sweep_store = open_sweeps(settings)
    sweeps = _sweeps(settings, registration, sweep_store, runs, store, cluster)
    siblings = Siblings(worker.siblings if worker else (), runs.find, store)
    queue = None if cluster is None else cluster.queue
    return Parts(
        reloading=Reloading(file, siblings),
        events=events if cluster is None else LogFollower(store, cluster.news),
        store=store,
        size=size,
        retention=_retention(settings, store, worker),
        client=client,
        turns=turns,
        runs=runs,
        cluster=cluster,
        viewer=ModuleViewer(registration, client, store, VerdictStore(settings.runs_dir)),
        sweep_store=sweep_store,
        sweeps=sweeps,
        takeover=Takeover(store, executing if settings.resume_interrupted else None),
        siblings=siblings,
        spans=spans,
        metrics=metrics,
        scrapes=Scrapes(metrics, Looked(registration, client, runs, store, settings, queue), worker),
        access=_access(settings, worker),
        read_only=settings.read_only,
        worker=worker,
    )


def _sweeps(  # noqa: PLR0913, PLR0917  # what sweeps are made of
    settings: Settings,
    registration: Registration,
    sweep_store: SweepStore,
    runs: Runs,
    store: RunStore,
    cluster: Cluster | None,
) -> ActiveSweeps:
    """What executes sweeps here, or has them executed by whoever takes them from the queue."""
    at_once = settings.max_concurrent_runs
    if cluster is None:
        through = RunsOfSweeps(runs, store, at_once, leaves_sweeps=settings.resume_interrupted)
        return ActiveSweeps(registration, sweep_store, through)
    # Workers take as many points as they can; what waits is bounded, so that other runs do not wait behind a whole sweep.
    places = QueuePlaces(cluster.queue, at_once)
    through = RunsOfSweeps(runs, store, _POINTS_AT_ONCE, leaves_sweeps=True, places=places)
    sweeps = ActiveSweeps(registration, sweep_store, through, cluster.sweep_queue, settings.max_attempts)
    cluster.drive_with(sweeps)
    return sweeps


def _cluster(settings: Settings) -> Cluster | None:
    """What this service shares with others, if it does. Raises ConfigurationError."""
    if settings.database_url is None:
        if not settings.embedded_workers:
            raise ConfigurationError("OPS_EMBEDDED_WORKERS=0 needs OPS_DATABASE_URL, through which `ops worker` gets the runs")
        return None
    return None if settings.read_only else Cluster(settings, settings.database_url.get_secret_value())


def _retention(settings: Settings, store: RunStore, worker: Worker | None) -> Retention | None:
    if settings.read_only or not (worker is None or worker.is_first):
        return None
    return retention_of(store, settings.retention_days)


def _access(settings: Settings, worker: Worker | None) -> Access | None:
    """Who may use the service, if that is not everybody. Raises ConfigurationError."""
    if settings.api_keys_file is None:
        return None
    is_https = (settings.published_at or "").startswith("https://")
    return Access.of(
        settings.api_keys_file, _sessions(settings, worker), is_https=is_https, warns=worker is None or worker.is_first
    )


def _sessions(settings: Settings, worker: Worker | None) -> Sessions:
    """The sessions of browsers, which all processes know that a balancer may lead to."""
    if settings.database_url is not None and not settings.read_only:
        return SharedSessions(settings.database_url.get_secret_value())
    return LocalSessions(None if worker is None else worker.folder / "sessions")


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
