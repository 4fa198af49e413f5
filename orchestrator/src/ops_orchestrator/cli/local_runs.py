"""Runs that a command executes itself, without a service, in the store of this folder."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import structlog

from ops_orchestrator.modules.catalogue import Catalogue, load_catalogue
from ops_orchestrator.modules.client import ModuleClient
from ops_orchestrator.modules.registration import Registration
from ops_orchestrator.modules.transport import Transport
from ops_orchestrator.runs.active_runs import ActiveRuns
from ops_orchestrator.runs.store.opening import open_store
from ops_orchestrator.runs.store.protocols import RunStore
from ops_orchestrator.runs.turns import LocalTurns
from ops_orchestrator.settings import Settings


@dataclass(frozen=True)
class LocalRuns:
    """What a command starts runs with, and where they are kept."""

    runs: ActiveRuns
    store: RunStore


@asynccontextmanager
async def local_runs(
    settings: Settings, catalogue: Catalogue | None = None, transport: Transport | None = None
) -> AsyncIterator[LocalRuns]:
    """Execute runs in this process, in the store in OPS_RUNS_DIR, which is made when it is missing.

    They call the registered modules unless a `catalogue` is given, over the network unless a `transport` replaces it. Runs
    that are under way at the end of the block are ended as interrupted. Raises ConfigurationError, StoreError.
    """
    registered = load_catalogue(settings.modules_file, os.environ) if catalogue is None else catalogue
    store = await asyncio.to_thread(open_store, settings)
    client = ModuleClient(settings.limits, transport)
    turns = LocalTurns(settings.max_concurrent_runs, settings.max_queued_runs)
    runs = ActiveRuns(Registration(registered), store, client, turns=turns, image_digest=settings.image_digest)
    with _logged_to_standard_error():
        try:
            yield LocalRuns(runs, store)
        finally:
            await runs.stop()
            turns.close()
            await client.aclose()
            await asyncio.to_thread(store.close)


@contextmanager
def _logged_to_standard_error() -> Iterator[None]:
    """What runs log goes where messages go: the standard output has the result alone."""
    before = structlog.get_config()
    # The usual traceback shows the values of local variables, among them what the record masks.
    shown = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*before["processors"][:-1], shown], logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    try:
        yield
    finally:
        structlog.configure(**before)
