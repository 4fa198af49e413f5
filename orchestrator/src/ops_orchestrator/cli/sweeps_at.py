"""Where the sweeps of a command are executed: by a service, or in its own process."""

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any, Protocol

from ops_orchestrator.cli.service_client import ServiceClient
from ops_orchestrator.errors import CannotReachError
from ops_orchestrator.settings import Settings


class Sweeps(Protocol):
    """What executes sweeps, and answers about them as the service does."""

    def start_sweep(self, body: bytes) -> Awaitable[dict[str, Any]]:
        """Start a sweep; returns it as it is at once."""
        ...

    def resume_sweep(self, sweep_id: str) -> Awaitable[dict[str, Any]]:
        """Go on with a sweep; returns it as it is at once."""
        ...

    def sweep(self, sweep_id: str) -> Awaitable[dict[str, Any]]:
        """How far a sweep is."""
        ...

    def failed_points(self, sweep_id: str, most: int) -> Awaitable[list[dict[str, Any]]]:
        """The first points of a sweep whose runs failed."""
        ...

    def sweep_ids(self) -> Awaitable[list[str]]:
        """The ids of sweeps, newest first."""
        ...


@asynccontextmanager
async def sweeps_of(settings: Settings, *, local: bool) -> AsyncIterator[Sweeps]:
    """The service of these settings, or with `local` this process. Raises CannotReachError, ConfigurationError, StoreError."""
    if local:
        # It loads what calls modules, which takes its time.
        from ops_orchestrator.cli.local_sweeps import LocalSweeps  # noqa: PLC0415  # see above

        async with LocalSweeps.at(settings) as sweeps:
            yield sweeps
        return
    try:
        async with ServiceClient.at(settings.url, settings.api_key) as service:
            yield service
    except CannotReachError as error:
        raise CannotReachError(f"{error}; or add --local to do without a service") from error
