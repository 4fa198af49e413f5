"""Is a module ready to be called?"""

import asyncio
import time
from typing import Final

from ops_contract import masked_url
from ops_orchestrator.errors import StepError
from ops_orchestrator.exchange import Request
from ops_orchestrator.modules.answer import Readiness
from ops_orchestrator.modules.client import ModuleClient
from ops_orchestrator.modules.confidential import masked_errors, masked_readiness, secrets_of
from ops_orchestrator.modules.dialect import dialect_of
from ops_orchestrator.modules.module import Module
from ops_orchestrator.modules.time_limit import TimeLimit

HEALTH_TIMEOUT_S: Final = 5.0
"""Seconds that one health check may take; a module answers within one (OPS-HLT-004)."""

_NOT_CHECKED: Final = Readiness(status="not asked")
_SHORTEST_CHECK_S: Final = 1.0
_FIRST_POLL_S: Final = 0.05
_LAST_POLL_S: Final = 1.0


async def check_health(client: ModuleClient, module: Module) -> Readiness:
    """Check the module's health once. Raises StepError, retryable when a later check may succeed."""
    dialect = dialect_of(module)
    request = dialect.health_request()
    if request is None:
        return _NOT_CHECKED
    secrets = secrets_of(module, request)
    with masked_errors(secrets):
        async with _check_time(module, request, HEALTH_TIMEOUT_S):
            readiness = await dialect.read_health(await client.check(module, request))
    return masked_readiness(readiness, module, secrets)


async def ready_now(client: ModuleClient, module: Module) -> Readiness | None:
    """What one check finds, which all who need one share; None when the module is not ready."""
    if known := client.checks.known(module):
        return known
    request = dialect_of(module).health_request()
    if request is None:
        return _NOT_CHECKED
    try:
        return await _shared_check(client, module, request, HEALTH_TIMEOUT_S)
    except StepError:
        return None


async def wait_until_ready(client: ModuleClient, module: Module) -> tuple[Readiness, float]:
    """Poll the module's health until it is ready; returns what the check found and the seconds waited.

    All who wait for a module share its checks, and one that found it ready is good for a second, unless a request could not
    be sent or was not answered since. Raises StepError when waiting cannot help, or after `ready_timeout_s`.
    """
    if known := client.checks.known(module):
        return known, 0.0
    request = dialect_of(module).health_request()
    if request is None:
        return _NOT_CHECKED, 0.0
    started = time.monotonic()
    pause = _FIRST_POLL_S
    while True:
        left_s = module.ready_timeout_s - (time.monotonic() - started)
        try:
            readiness = await _shared_check(client, module, request, min(HEALTH_TIMEOUT_S, max(left_s, _SHORTEST_CHECK_S)))
            return readiness, time.monotonic() - started
        except StepError as error:
            if not error.failure.retryable:
                raise
            if time.monotonic() - started + pause > module.ready_timeout_s:
                raise _not_ready(module, error) from error
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LAST_POLL_S)


def _not_ready(module: Module, error: StepError) -> StepError:
    message = (
        f"was not ready within {module.ready_timeout_s:g} s: {error.failure.message}; "
        "see that it runs and that its url in modules.yaml is right"
    )
    return StepError.of(module.name, "MODULE_NOT_READY", message)


async def _shared_check(client: ModuleClient, module: Module, request: Request, timeout_s: float) -> Readiness:
    with masked_errors(secrets_of(module, request)):
        async with _check_time(module, request, timeout_s):
            return await client.checks.share(module, lambda: check_health(client, module))


def _check_time(module: Module, request: Request, timeout_s: float) -> TimeLimit:
    def exceeded() -> StepError:
        message = f"did not answer {masked_url(module.at(request.path))} within {timeout_s:.2g} s"
        # A module that is slow to answer while it starts is waited for like one that does not answer yet.
        return StepError.of(module.name, "MODULE_TIMEOUT", message, retryable=True)

    return TimeLimit(timeout_s, exceeded)


class StartupPatience:
    """How long connecting is tried again with a module that has no health check and may still be starting."""

    def __init__(self, module: Module) -> None:
        self._module = module
        self._until = time.monotonic() + module.ready_timeout_s
        self._pause_s = _FIRST_POLL_S

    def next_pause_s(self, error: StepError) -> float:
        """Seconds to wait before the next try, after one that failed with `error`.

        Raises StepError when it is not one of connecting to a module without a health check, and when there is no time left.
        """
        if not error.unsent or dialect_of(self._module).health_request() is not None:
            raise error
        pause_s = min(self._pause_s, _LAST_POLL_S)
        self._pause_s *= 2
        if time.monotonic() + pause_s >= self._until:
            raise _not_ready(self._module, error) from error
        return pause_s
