"""Which modules are ready, as far as that is known: a scrape never waits for a module."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from ops_orchestrator.modules.client import ModuleClient
from ops_orchestrator.modules.dialect import dialect_of
from ops_orchestrator.modules.module import Module
from ops_orchestrator.modules.readiness import ready_now
from ops_orchestrator.modules.registration import Registration
from ops_orchestrator.service.metrics.families import MODULE_CHECKED, MODULE_READY
from ops_orchestrator.service.metrics.tally import Samples

_GOOD_FOR_S: Final = 10.0


class ModuleChecks:
    """What the last health checks of the registered modules found, which runs that wait for a module share.

    Whoever looks has those that are old made again, all at once, and gets what the ones before found. So nobody asks modules
    while nobody looks, and each is asked once in `good_for_s` seconds, however many look.
    """

    def __init__(
        self,
        registration: Registration,
        client: ModuleClient,
        clock: Callable[[], float] = time.time,
        good_for_s: float = _GOOD_FOR_S,
    ) -> None:
        self._registration = registration
        self._client = client
        self._clock = clock
        self._good_for_s = good_for_s
        self._found: dict[str, tuple[bool, float]] = {}
        self._checks: dict[str, asyncio.Task[None]] = {}

    def look(self) -> Samples:
        """What is known now. A module that was not checked yet, or has no health check, is left out."""
        known = self._registration.catalogue.modules
        for module in known.values():
            _, checked_at = self._found.get(module.name, (False, 0.0))
            # A check from the future was made before the clock was set back.
            is_old = not 0 <= self._clock() - checked_at < self._good_for_s
            if is_old and module.name not in self._checks and dialect_of(module).health_request() is not None:
                self._checks[module.name] = asyncio.create_task(self._check(module))
        found = {name: each for name, each in self._found.items() if name in known}
        return {
            MODULE_READY.name: [((name,), float(is_ready)) for name, (is_ready, _) in found.items()],
            MODULE_CHECKED.name: [((name,), checked_at) for name, (_, checked_at) in found.items()],
        }

    async def checked(self) -> None:
        """Wait for the checks under way."""
        await asyncio.gather(*self._checks.values())

    async def stop(self) -> None:
        """Give up the checks under way."""
        checks = list(self._checks.values())
        for check in checks:
            check.cancel()
        await asyncio.gather(*checks, return_exceptions=True)

    async def _check(self, module: Module) -> None:
        try:
            is_ready = await ready_now(self._client, module) is not None
            self._found[module.name] = is_ready, self._clock()
        finally:
            del self._checks[module.name]
