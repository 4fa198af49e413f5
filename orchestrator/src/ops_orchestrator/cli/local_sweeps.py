"""Sweeps that a command executes itself, without a service, in the store of this folder."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

from ops_orchestrator.cli.local_runs import local_runs
from ops_orchestrator.modules.catalogue import load_catalogue
from ops_orchestrator.modules.registration import Registration
from ops_orchestrator.planning.sweep import read_sweep
from ops_orchestrator.runs.sweeps.active_sweeps import ActiveSweeps
from ops_orchestrator.runs.sweeps.answers import PointList, SweepAnswer
from ops_orchestrator.runs.sweeps.opening import open_sweeps
from ops_orchestrator.runs.sweeps.runs_of_sweeps import RunsOfSweeps
from ops_orchestrator.runs.sweeps.sweep_store import SweepStore
from ops_orchestrator.settings import Settings


class LocalSweeps:
    """Starts, resumes and shows sweeps of this process, as a service does. Raises RequestError, StoreError."""

    def __init__(self, sweeps: ActiveSweeps, store: SweepStore, most_points: int) -> None:
        self._sweeps = sweeps
        self._store = store
        self._most_points = most_points

    @classmethod
    @asynccontextmanager
    async def at(cls, settings: Settings) -> AsyncIterator[Self]:
        """Sweeps of the registered modules; those that are under way at the end of the block are left interrupted."""
        catalogue = load_catalogue(settings.modules_file, os.environ)
        async with local_runs(settings, catalogue) as local:
            store = await asyncio.to_thread(open_sweeps, settings)
            through = RunsOfSweeps(local.runs, local.store, settings.max_concurrent_runs)
            sweeps = ActiveSweeps(Registration(catalogue), store, through)
            try:
                yield cls(sweeps, store, settings.max_sweep_points)
            finally:
                await local.runs.stop()
                await sweeps.stop()
                await asyncio.to_thread(store.close)

    async def start_sweep(self, body: bytes) -> dict[str, Any]:
        """Start a sweep; returns it as it is at once."""
        request = read_sweep(body, max_points=self._most_points)
        return await self.sweep(await self._sweeps.start(request, body))

    async def resume_sweep(self, sweep_id: str) -> dict[str, Any]:
        """Go on with a sweep; returns it as it is at once."""
        await self._sweeps.resume(sweep_id)
        return await self.sweep(sweep_id)

    async def sweep(self, sweep_id: str) -> dict[str, Any]:
        """How far a sweep is."""
        state = await self._sweeps.state(sweep_id)
        return (await asyncio.to_thread(SweepAnswer.of, state, self._store)).model_dump(mode="json")

    async def failed_points(self, sweep_id: str, most: int) -> list[dict[str, Any]]:
        """The first points of a sweep whose runs failed."""
        found = await asyncio.to_thread(PointList.of, self._store, sweep_id, most, 0, "failed")
        return [point.model_dump(mode="json") for point in found.points]

    async def sweep_ids(self) -> list[str]:
        """The ids of all sweeps, newest first."""
        return await asyncio.to_thread(self._store.ids)
