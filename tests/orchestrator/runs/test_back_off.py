"""How long a run waits before it calls a module again. A run says so in an event before it waits, and is left there."""

import httpx2
import pytest
from scripted_module import ClientFor, ScriptedModule, demo, error_envelope

from ops_orchestrator.modules.catalogue import Catalogue
from ops_orchestrator.modules.module import Module
from ops_orchestrator.planning.planner import plan
from ops_orchestrator.runs.events import AttemptFailed
from ops_orchestrator.runs.runner import Runner

LONGEST_S = 30.0


async def announced_wait_s(client_for: ClientFor, module: Module, retry_after: str | None) -> float:
    """Seconds until the second attempt, after a module that is busy and may say for how long."""
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    busy = httpx2.Response(503, json=error_envelope(retryable=True), headers=headers)
    scenario = demo("alpha")
    events = Runner(client_for(ScriptedModule(answers=[busy])), None).execute(
        "run-1", scenario, plan(scenario, Catalogue({"alpha": module}))
    )
    try:
        return await anext(event.what.retry_in_s async for event in events if isinstance(event.what, AttemptFailed))
    finally:
        await events.aclose()


@pytest.mark.parametrize("retry_after", ["31", "86400", "9" * 400])
async def test_retry_after_is_honoured_up_to_half_a_minute(client_for: ClientFor, module: Module, retry_after: str) -> None:
    assert await announced_wait_s(client_for, module, "30") == LONGEST_S
    assert await announced_wait_s(client_for, module, retry_after) == LONGEST_S


async def test_back_off_is_at_most_half_a_minute(client_for: ClientFor, module: Module) -> None:
    assert await announced_wait_s(client_for, module.model_copy(update={"backoff_s": 3600.0}), None) == LONGEST_S


async def test_retry_after_shorter_than_the_back_off_does_not_shorten_it(client_for: ClientFor, module: Module) -> None:
    assert await announced_wait_s(client_for, module.model_copy(update={"backoff_s": 20.0}), "1") > 1.0


@pytest.mark.parametrize("retry_after", ["soon", "-1", "Wed, 21 Oct 2026 07:28:00 GMT"])
async def test_retry_after_that_is_not_a_number_of_seconds_is_ignored(
    client_for: ClientFor, module: Module, retry_after: str
) -> None:
    assert await announced_wait_s(client_for, module, retry_after) == 0.0
