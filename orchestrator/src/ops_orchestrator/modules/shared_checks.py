"""Health checks shared by all who need one at the same moment; what a good one found is good for a second."""

import asyncio
import math
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol

from ops_orchestrator.modules.answer import Readiness
from ops_orchestrator.modules.module import Module

GOOD_FOR_S: Final = 1.0
"""Seconds after which a module that was ready is checked again."""


class HealthChecks(Protocol):
    """What is known of the health of modules, and who checks it."""

    def known(self, module: Module) -> Readiness | None:
        """What a check found in the last second."""
        ...

    async def share(self, module: Module, check: Callable[[], Coroutine[Any, Any, Readiness]]) -> Readiness:
        """What the check under way finds, or else `check`. Raises what that raises."""
        ...

    def forget(self, module: Module) -> None:
        """Have the next caller check the module: something has happened to it since the last check began."""
        ...


class SharedChecks:
    """The checks under way and the good ones of the last second, one for each module and way to check it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._checks: dict[tuple[object, ...], _Check] = {}

    def known(self, module: Module) -> Readiness | None:
        """What a check found in the last second."""
        check = self._checks.get(_key(module))
        return check.task.result() if check and check.good_until > self._clock() else None

    async def share(self, module: Module, check: Callable[[], Coroutine[Any, Any, Readiness]]) -> Readiness:
        """What the check under way finds, or else `check`, for all who wait for it.

        Raises what the check raises, which is not kept. It goes on until the last of those who wait is cancelled.
        """
        key = _key(module)
        shared = self._checks.get(key)
        if shared is None or not shared.can_be_joined:
            shared = self._checks[key] = _Check(asyncio.create_task(check()))
            shared.task.add_done_callback(lambda _: self._finish(key, shared))
        return await shared.wait()

    def forget(self, module: Module) -> None:
        """Have the next caller check the module: something has happened to it since the last check began."""
        self._checks = {key: check for key, check in self._checks.items() if key[:2] != (module.name, module.url)}

    def _finish(self, key: tuple[object, ...], check: "_Check") -> None:
        if not check.task.cancelled() and check.task.exception() is None:
            check.good_until = self._clock() + GOOD_FOR_S
        elif self._checks.get(key) is check:
            del self._checks[key]


class _Check:
    """One check, and how many wait for it."""

    def __init__(self, task: asyncio.Task[Readiness]) -> None:
        self.task = task
        self.good_until = -math.inf
        self._waiting = 0

    @property
    def can_be_joined(self) -> bool:
        """Is it under way, and not about to end without a result?"""
        return not (self.task.done() or self.task.cancelling())

    async def wait(self) -> Readiness:
        """What the check finds."""
        self._waiting += 1
        try:
            return await asyncio.shield(self.task)
        finally:
            self._waiting -= 1
            if not self._waiting:
                self.task.cancel()


def _key(module: Module) -> tuple[object, ...]:
    """What decides about a check and what is read from it: entries of one name may differ from run to run."""
    health = module.adapter and module.adapter.health
    declared = (health.path.text, health.version and health.version.text) if health else ()
    return module.name, module.url, module.secrets, *declared
