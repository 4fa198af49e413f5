"""One scrape: what this worker knows, what its siblings know, and all of it as text."""

import asyncio
import json
import platform
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

import ops_orchestrator
from ops_contract import CONTRACT_VERSION
from ops_orchestrator.errors import StoreError
from ops_orchestrator.modules.client import ModuleClient
from ops_orchestrator.modules.registration import Registration
from ops_orchestrator.runs.cluster.run_queue import RunQueue
from ops_orchestrator.runs.store.protocols import RunStore
from ops_orchestrator.runs.under_way import Runs
from ops_orchestrator.service.liveness import socket_of
from ops_orchestrator.service.metrics.families import (
    BUILD,
    CALLS,
    CALLS_LIMIT,
    CONNECTIONS,
    OPEN_CALLS,
    OPEN_STATUSES,
    OTHER,
    QUEUE,
    RUNS,
    RUNS_LIMIT,
    WORKER_UP,
)
from ops_orchestrator.service.metrics.loop_lag import LoopLag
from ops_orchestrator.service.metrics.module_checks import ModuleChecks
from ops_orchestrator.service.metrics.run_tally import RunTally
from ops_orchestrator.service.metrics.store_figures import StoreFigures
from ops_orchestrator.service.metrics.tally import Samples, Tally, from_json
from ops_orchestrator.service.sibling_requests import ask_sibling, is_from_sibling
from ops_orchestrator.service.siblings import Worker
from ops_orchestrator.settings import Settings

PATH: Final = "/metrics"
# Less than the second that a scrape may take at least: what a worker that hangs counted is missing, and the rest is not.
_LONGEST_SILENCE_S: Final = 0.8


@dataclass(frozen=True)
class Looked:
    """What is looked at for a scrape, besides what was counted."""

    registration: Registration
    client: ModuleClient
    runs: Runs
    store: RunStore
    settings: Settings
    queue: RunQueue | None = None


class Metrics:
    """What the service says of itself. `consumer` counts what happens in runs, and is there before the rest.

    Begin with `start` on the event loop, and end with `stop`.
    """

    def __init__(self, registration: Registration) -> None:
        self._tally = Tally()
        self._lag = LoopLag(self._tally)
        self.consumer = RunTally(self._tally, registration)

    def start(self) -> None:
        """Measure the event loop from now on."""
        self._lag.start()

    def stop(self) -> None:
        """Measure no more."""
        self._lag.stop()

    def counted(self) -> Samples:
        """What was counted since the process began."""
        return self._tally.samples()


class Scrapes:
    """Answers scrapes for all workers of the service; `worker` is this one, None where there is no other."""

    def __init__(self, metrics: Metrics, looked: Looked, worker: Worker | None) -> None:
        self._metrics = metrics
        self._looked = looked
        self._number = 0 if worker is None else worker.number
        self._others = [] if worker is None else [number for number in range(worker.count) if number != worker.number]
        self._folder = None if worker is None else worker.folder
        self._checks = ModuleChecks(looked.registration, looked.client)
        self._room = StoreFigures(looked.store)

    async def answer(self, request: Request) -> Response:
        """What all workers know, for a scraper; for a sibling what this one knows."""
        own = await self._own(request)
        if self._folder is not None and is_from_sibling(request.scope):
            return Response(json.dumps(own), media_type="application/json")
        others = await asyncio.gather(*(self._of_sibling(request, number) for number in self._others))
        workers = {self._number: own} | dict(zip(self._others, others, strict=True))
        body, media_type = await asyncio.to_thread(_rendered, dict(sorted(workers.items())), request.headers.get("accept", ""))
        return Response(body, headers={"Content-Type": media_type, "Cache-Control": "no-store"})

    async def stop(self) -> None:
        """Give up the health checks under way."""
        await self._checks.stop()

    async def _own(self, request: Request) -> Samples:
        samples = self._metrics.counted() | self._open(request) | {WORKER_UP.name: [((), 1.0)]}
        is_first = self._number == 0
        if is_first:
            samples |= self._of_service() | self._checks.look() | await self._in_queue()
        return samples | await asyncio.to_thread(_blocking, self._room.look if is_first else None)

    def _open(self, request: Request) -> Samples:
        """What is under way now."""
        statuses = self._looked.runs.by_status()
        client = self._looked.client
        calls = {"running": client.calls.running, "waiting": client.calls.waiting}
        found: Samples = {
            RUNS.name: [((status,), float(statuses[status])) for status in OPEN_STATUSES],
            OPEN_CALLS.name: [((name,), count) for name, count in self._by_module(client.open_requests)],
            CALLS.name: [((name, status), count) for status, of in calls.items() for name, count in self._by_module(of)],
        }
        connections: Callable[[], int] | None = request.scope.get("state", {}).get("connections")
        return found if connections is None else found | {CONNECTIONS.name: [((), float(connections()))]}

    def _by_module(self, counted: Mapping[str, int]) -> Iterator[tuple[str, float]]:
        """What is counted of each registered module, and of those that are registered no more, together."""
        found: Counter[str] = Counter(dict.fromkeys(self._looked.registration.catalogue.modules, 0))
        for name, count in counted.items():
            found[name if name in self._looked.registration.catalogue.modules else OTHER] += count
        return ((name, float(count)) for name, count in found.items())

    def _of_service(self) -> Samples:
        settings = self._looked.settings
        limits = zip(OPEN_STATUSES, (settings.max_queued_runs, settings.max_concurrent_runs), strict=True)
        versions = (ops_orchestrator.__version__, CONTRACT_VERSION, platform.python_version())
        modules = self._looked.registration.catalogue.modules.values()
        return {
            CALLS_LIMIT.name: [((each.name,), float(each.max_in_flight)) for each in modules if each.max_in_flight is not None],
            RUNS_LIMIT.name: [((status,), float(most)) for status, most in limits],
            BUILD.name: [(versions, 1.0)],
        }

    async def _in_queue(self) -> Samples:
        """What is in the queue, if there is one; nothing while its database is away."""
        depth: dict[str, int] = {}
        if self._looked.queue is not None:
            with suppress(StoreError, TimeoutError):
                async with asyncio.timeout(_LONGEST_SILENCE_S):
                    depth = await self._looked.queue.depth()
        return {QUEUE.name: [((state,), float(count)) for state, count in depth.items()]} if depth else {}

    async def _of_sibling(self, request: Request, number: int) -> Samples:
        """What a sibling knows; of one that is gone or hangs, that it did not answer."""
        assert self._folder is not None  # noqa: S101  # there are siblings
        answer = await ask_sibling(socket_of(self._folder, number), request, PATH, _LONGEST_SILENCE_S)
        return {WORKER_UP.name: [((), 0.0)]} if answer is None else from_json(json.loads(answer))


def _blocking(look: Callable[[], Samples] | None) -> Samples:
    from ops_orchestrator.service.metrics.process_figures import process_figures  # noqa: PLC0415  # as below

    return process_figures() | (look() if look is not None else {})


def _rendered(*arguments: Any) -> tuple[bytes, str]:
    from ops_orchestrator.service.metrics.exposition import rendered  # noqa: PLC0415  # a tenth of a second, in a thread

    return rendered(*arguments)
