"""How the service begins and ends: what a dead one left is put in order, and no run is left half written."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import structlog

from ops_orchestrator.errors import StoreError
from ops_orchestrator.runs.store.protocols import RunStore
from ops_orchestrator.service.parts import Parts

_KEEP_UP_EVERY_S: Final = 2.0

_log: Any = structlog.get_logger("ops_orchestrator")


@asynccontextmanager
async def lifespan(parts: Parts, _: object) -> AsyncIterator[None]:
    """Put in order what a dead service left, and stop in an order in which no run is left half written."""
    if parts.cluster is not None:
        await parts.cluster.start()
    later = [asyncio.create_task(beginning) for beginning in await _later(parts)]
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
    if parts.cluster is not None:
        await parts.cluster.stop()
    parts.turns.close()
    parts.events.close()
    await _closed(parts)


async def _closed(parts: Parts) -> None:
    """Let go of what is held open, when nothing is executed any more."""
    for background in (parts.retention, parts.size):
        if background is not None:
            await asyncio.to_thread(background.stop)
    await parts.client.aclose()
    await asyncio.to_thread(parts.sweep_store.close)
    await asyncio.to_thread(parts.store.close)
    if parts.cluster is not None:
        await asyncio.to_thread(parts.cluster.announcer.close)
    if parts.spans is not None:
        await asyncio.to_thread(parts.spans.close)
    if parts.access is not None:
        await asyncio.to_thread(parts.access.sessions.close)


async def _later(parts: Parts) -> list[Coroutine[Any, Any, None]]:
    """Begin to put in order what a dead service left; returns what goes on with that. Raises OSError, StoreError."""
    if parts.read_only:
        return [_keep_up(parts.store)]
    if parts.cluster is not None:
        return []  # what a dead process left, the queue gives to another one
    is_complete = parts.store.is_complete
    again = await parts.takeover.begin()
    return [parts.takeover.keep_on(again, is_complete=is_complete), parts.sweeps.take_over()]


async def _keep_up(store: RunStore) -> None:
    """List the runs that another service writes."""
    while True:
        await asyncio.sleep(_KEEP_UP_EVERY_S)
        with suppress(StoreError):
            await asyncio.to_thread(store.keep_up)


async def drain(parts: Parts, seconds: int) -> None:
    """Let the runs under way end, and start no more. Sweeps start no more points, and end with those under way."""
    if parts.cluster is not None:
        await parts.cluster.drain()
    count = parts.runs.count
    if not seconds:
        return
    message = f"no run is started any more; {count} under way may end within {seconds} s; another signal stops them at once"
    _log.info("service.draining", runs=count, message=message)
    await parts.runs.drain(seconds)
