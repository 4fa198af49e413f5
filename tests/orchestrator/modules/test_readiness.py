import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from scripted_module import Gate, ScriptedModule, transport

from ops_orchestrator.errors import StepError
from ops_orchestrator.exchange import Request
from ops_orchestrator.modules.answer import Readiness
from ops_orchestrator.modules.client import ModuleClient
from ops_orchestrator.modules.module import Module
from ops_orchestrator.modules.readiness import wait_until_ready
from ops_orchestrator.modules.shared_checks import SharedChecks
from ops_orchestrator.settings import Settings

EXECUTE = Request(method="POST", path="/execute", body=b"{}")
NOT_YET = httpx2.Response(503)


class Clock:
    """A clock that stands still unless it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def alpha() -> ScriptedModule:
    return ScriptedModule()


@pytest.fixture
def client(alpha: ScriptedModule, clock: Clock) -> ModuleClient:
    limits = Settings(_env_file=None).limits
    return ModuleClient(limits, transport(alpha, ScriptedModule("beta")), SharedChecks(clock))


def ready(alpha: ScriptedModule, version: str) -> httpx2.Response:
    return httpx2.Response(200, json=alpha.healthy(version=version))


async def version_of(client: ModuleClient, module: Module) -> str | None:
    readiness, _ = await wait_until_ready(client, module)
    return readiness.version


async def test_good_check_counts_for_a_second(
    client: ModuleClient, module: Module, alpha: ScriptedModule, clock: Clock
) -> None:
    alpha.health = [ready(alpha, "1.0.0"), ready(alpha, "2.0.0")]
    assert await version_of(client, module) == "1.0.0"
    clock.now = 0.999
    assert await version_of(client, module) == "1.0.0"
    assert len(alpha.requests) == 1
    clock.now = 1.0
    assert await version_of(client, module) == "2.0.0"


async def test_callers_at_the_same_moment_share_one_check(client: ModuleClient, module: Module, alpha: ScriptedModule) -> None:
    async with held(alpha, callers=20, client=client, module=module) as (gate, waiting):
        gate.opened.set()
        found = await asyncio.gather(*waiting)
    assert {readiness for readiness, _ in found} == {Readiness(version="1.2.3", contract_versions=("1.0",))}
    assert len(alpha.requests) == 1


@asynccontextmanager
async def held(
    alpha: ScriptedModule, answer: httpx2.Response | None = None, *, callers: int, client: ModuleClient, module: Module
) -> AsyncIterator[tuple[Gate, list[asyncio.Task[tuple[Readiness, float]]]]]:
    """Callers who wait for a health check that is answered, well unless said otherwise, when the gate opens."""
    gate = Gate()

    async def opened(request: httpx2.Request) -> httpx2.Response:
        await gate(request)
        return answer or httpx2.Response(200, json=alpha.healthy())

    alpha.health = [opened]
    waiting = [asyncio.create_task(wait_until_ready(client, module)) for _ in range(callers)]
    await gate.asked.wait()
    yield gate, waiting


async def test_caller_who_is_cancelled_leaves_the_check_to_the_others(
    client: ModuleClient, module: Module, alpha: ScriptedModule
) -> None:
    async with held(alpha, callers=3, client=client, module=module) as (gate, (first, *others)):
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        gate.opened.set()
        await asyncio.gather(*others)
    assert len(alpha.requests) == 1


async def test_check_for_which_nobody_waits_any_more_is_not_joined(
    client: ModuleClient, module: Module, alpha: ScriptedModule
) -> None:
    async with held(alpha, callers=1, client=client, module=module) as (_, (first,)):
        alpha.health = [ready(alpha, "2.0.0")]
        first.cancel()
        second = asyncio.create_task(version_of(client, module))
        with pytest.raises(asyncio.CancelledError):
            await first
        assert await second == "2.0.0"


async def test_check_ends_with_the_last_who_waits_for_it(module: Module) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def endless() -> Readiness:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return Readiness()

    checks = SharedChecks()
    first, last = (asyncio.create_task(checks.share(module, endless)) for _ in range(2))
    await begun.wait()
    for waiting in (first, last):
        assert not ended.is_set()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    await ended.wait()


async def test_failed_check_is_shared_and_not_kept(client: ModuleClient, module: Module, alpha: ScriptedModule) -> None:
    alpha.health = [NOT_YET, ready(alpha, "1.0.0")]
    callers = (wait_until_ready(client, module) for _ in range(3))
    failures = await asyncio.gather(*callers, return_exceptions=True)
    assert [error.failure.code for error in failures if isinstance(error, StepError)] == ["MODULE_NOT_READY"] * 3
    assert await version_of(client, module) == "1.0.0"
    assert len(alpha.requests) == 2


@pytest.mark.parametrize("error", [httpx2.ConnectError("Connection refused"), httpx2.ReadError("broken off")])
async def test_module_is_checked_again_after_a_transport_error(
    client: ModuleClient, module: Module, alpha: ScriptedModule, error: Exception
) -> None:
    alpha.health, alpha.answers = [ready(alpha, "1.0.0"), ready(alpha, "2.0.0")], [error]
    await wait_until_ready(client, module)
    with pytest.raises(StepError):
        await client.send(module, EXECUTE)
    assert await version_of(client, module) == "2.0.0"


async def test_check_that_began_before_a_transport_error_is_not_joined_after_it(
    client: ModuleClient, module: Module, alpha: ScriptedModule
) -> None:
    async with held(alpha, NOT_YET, callers=1, client=client, module=module) as (gate, (first,)):
        alpha.health, alpha.answers = [ready(alpha, "2.0.0"), ready(alpha, "3.0.0")], [httpx2.ReadError("broken off")]
        with pytest.raises(StepError):
            await client.send(module, EXECUTE)
        assert await version_of(client, module) == "2.0.0"
        gate.opened.set()
        with pytest.raises(StepError):
            await first
    assert await version_of(client, module) == "2.0.0"


async def test_answer_of_a_module_does_not_end_what_is_known_of_it(
    client: ModuleClient, module: Module, alpha: ScriptedModule
) -> None:
    alpha.answers = [httpx2.Response(503)]
    await wait_until_ready(client, module)
    await client.send(module, EXECUTE)
    await wait_until_ready(client, module)
    assert len(alpha.requests) == 2


async def test_modules_at_one_address_are_checked_each_by_itself(client: ModuleClient, module: Module) -> None:
    await wait_until_ready(client, module)
    with pytest.raises(StepError, match=r"is registered at http://alpha\.test, but 'alpha' answers there"):
        await wait_until_ready(client, module.model_copy(update={"name": "beta"}))


async def test_caller_with_less_time_gives_up_and_leaves_the_check_to_the_others(
    client: ModuleClient, module: Module, alpha: ScriptedModule
) -> None:
    patient = module.model_copy(update={"ready_timeout_s": 600.0})
    async with held(alpha, callers=1, client=client, module=patient) as (gate, (first,)):
        with pytest.raises(StepError, match=r"did not answer http://alpha\.test/health within 1 s"):
            await wait_until_ready(client, module)
        gate.opened.set()
        await first
    assert len(alpha.requests) == 1
