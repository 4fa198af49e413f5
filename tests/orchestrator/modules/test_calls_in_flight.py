"""Calls of a module of which only so many may be in flight at once."""

import asyncio
from typing import Any

import httpx2
import pytest
from module_call import call_of
from scripted_module import ClientFor, Gate, ScriptedModule, success

from ops_orchestrator.errors import StepError
from ops_orchestrator.modules.attempt import Answered, attempt, request_for
from ops_orchestrator.modules.calls_in_flight import CallsInFlight
from ops_orchestrator.modules.client import ModuleClient
from ops_orchestrator.modules.module import Module
from ops_orchestrator.modules.time_limit import StepTime


@pytest.fixture
def one(module: Module) -> Module:
    """A module of which one call may be in flight."""
    return module.model_copy(update={"max_in_flight": 1})


async def answered(client: ModuleClient, module: Module, **options: Any) -> Answered:
    call = call_of(module.model_copy(update=options))
    return await attempt(call, await request_for(call), client, None, StepTime(call.module))


async def waiting(client: ModuleClient, count: int) -> None:
    """Until so many calls wait."""
    while client.calls.waiting["alpha"] != count:  # noqa: ASYNC110  # nobody says so
        await asyncio.sleep(0)


class Crowd:
    """Answers after a few turns of the event loop; `most` is how many requests it had at once."""

    def __init__(self) -> None:
        self._now = self.most = 0

    async def __call__(self, _: httpx2.Request) -> httpx2.Response:
        self._now += 1
        self.most = max(self.most, self._now)
        for _turn in range(10):
            await asyncio.sleep(0)
        self._now -= 1
        return success()


@pytest.mark.parametrize("most", [1, 3, None])
async def test_no_more_calls_are_in_flight_than_the_module_may_have(
    client_for: ClientFor, module: Module, most: int | None
) -> None:
    crowd = Crowd()
    client = client_for(ScriptedModule(answers=[crowd]))
    done = await asyncio.gather(*(answered(client, module, max_in_flight=most) for _ in range(12)))
    assert (len(done), crowd.most) == (12, most or 12)
    assert (client.calls.running["alpha"], client.calls.waiting["alpha"]) == (0, 0)


async def test_attempt_does_not_time_out_because_it_waited(client_for: ClientFor, one: Module) -> None:
    # Without a step_timeout_s, its step does not either: it has as long as its attempt, and no longer.
    client = client_for(ScriptedModule(answers=[Gate(), Crowd()]))
    first, second = (asyncio.create_task(answered(client, one, timeout_s=timeout_s, retries=0)) for timeout_s in (0.3, 0.1))
    with pytest.raises(StepError) as caught:
        await first
    assert caught.value.failure.code == "MODULE_TIMEOUT"
    assert (await second).envelope.status == "success"


async def test_step_whose_time_is_over_while_it_waits_says_for_what(client_for: ClientFor, one: Module) -> None:
    gate = Gate()
    client = client_for(alpha := ScriptedModule(answers=[gate]))
    first = asyncio.create_task(answered(client, one))
    await gate.asked.wait()
    with pytest.raises(StepError) as caught:
        await answered(client, one, step_timeout_s=0.1)
    assert caught.value.failure.code == "MODULE_TIMEOUT"
    assert "until the 0.1 s for the step were over, 1 calls of it were in flight" in caught.value.failure.message
    gate.opened.set()
    await first
    assert len(alpha.executed) == 1


async def test_call_that_is_cancelled_while_it_waits_ends_at_once_and_holds_nobody_up(
    client_for: ClientFor, one: Module
) -> None:
    gate = Gate()
    client = client_for(ScriptedModule(answers=[gate, success()]))
    first, second, third = (asyncio.create_task(answered(client, one)) for _ in range(3))
    await waiting(client, 2)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    assert not first.done()
    gate.opened.set()
    assert [(await call).envelope.status for call in (first, third)] == ["success"] * 2


async def test_turn_of_a_call_that_is_cancelled_when_it_comes_goes_to_the_next(one: Module) -> None:
    calls = CallsInFlight()
    assert calls.begins_at_once(one)
    second, third = (asyncio.create_task(calls.begin(one)) for _ in range(2))
    await asyncio.sleep(0)
    calls.end(one)
    second.cancel()
    await third
    assert calls.running["alpha"] == 1


async def test_call_does_not_pass_those_that_wait_when_the_bound_was_raised(one: Module) -> None:
    calls = CallsInFlight()
    assert calls.begins_at_once(one)
    second = asyncio.create_task(calls.begin(one))
    await asyncio.sleep(0)
    raised = one.model_copy(update={"max_in_flight": 2})
    assert not calls.begins_at_once(raised)
    third = asyncio.create_task(calls.begin(raised))
    calls.end(one)
    await asyncio.gather(second, third)
    assert calls.running["alpha"] == 2
