"""The registered modules: whether they answer, with which contract, and whether their clocks agree with ours."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from ops_orchestrator.cli.doctor.finding import Finding
from ops_orchestrator.errors import StepError
from ops_orchestrator.http_date import parse_http_date
from ops_orchestrator.modules.catalogue import Catalogue
from ops_orchestrator.modules.client import ModuleClient
from ops_orchestrator.modules.dialect import dialect_of
from ops_orchestrator.modules.module import Module
from ops_orchestrator.modules.readiness import HEALTH_TIMEOUT_S, check_health
from ops_orchestrator.settings import Settings

# A date in a header has whole seconds, and the answer takes its time.
_MOST_APART_S: Final = 5.0
_EARLIEST: Final = datetime(2026, 1, 1, tzinfo=UTC)
_REMEDY: Final = "start it, or correct its url in modules.yaml; `ops-contract doctor URL` says more"
_SET_IT: Final = "set it by NTP, for example with systemd-timesyncd or chrony"


class _Looked(NamedTuple):
    finding: Finding
    name: str
    apart_s: float | None
    """How far the module's clock is before ours; None when it does not say."""


def clock_and_modules(settings: Settings, catalogue: Catalogue | None) -> Iterator[Finding]:
    """A finding for each module, and one for the clock."""
    modules = list(catalogue.modules.values()) if catalogue else []
    looked = asyncio.run(_look(settings, modules))
    yield from (one.finding for one in looked)
    yield _clock([(one.name, one.apart_s) for one in looked if one.apart_s is not None])


async def _look(settings: Settings, modules: Sequence[Module]) -> list[_Looked]:
    client = ModuleClient(settings.limits)
    try:
        return await asyncio.gather(*(_look_at(client, module) for module in modules))
    finally:
        await client.aclose()


async def _look_at(client: ModuleClient, module: Module) -> _Looked:
    check = f"module {module.name}"
    try:
        readiness = await check_health(client, module)
    except StepError as error:
        message = error.failure.message.removeprefix(f"{module.name} ")
        return _Looked(Finding("wrong", check, message, _REMEDY), module.name, None)
    contract = f"contract {', '.join(readiness.contract_versions)}" if readiness.contract_versions else "through its adapter"
    message = f"{readiness.version or 'version not stated'}, {contract}, at {module.address}"
    return _Looked(Finding("ok", check, message), module.name, await _apart_s(client, module))


async def _apart_s(client: ModuleClient, module: Module) -> float | None:
    """How many seconds the clock of a module that is ready is before ours, by the date of an answer."""
    request = dialect_of(module).health_request()
    if request is None:
        return None
    try:
        async with asyncio.timeout(HEALTH_TIMEOUT_S):
            exchange = await client.check(module, request)
    except (StepError, TimeoutError):
        return None
    date = parse_http_date(exchange.headers.get("date", ""))
    return None if date is None else (date - datetime.now(UTC)).total_seconds()


def _clock(others: Sequence[tuple[str, float]]) -> Finding:
    now = datetime.now(UTC)
    told = f"{now:%Y-%m-%d %H:%M:%S} UTC"
    if now < _EARLIEST:
        return Finding("wrong", "clock", f"it is {told} by the clock of this machine", _SET_IT)
    if not others:
        return Finding("ok", "clock", f"{told}; no module's clock to compare it with")
    name, apart_s = max(others, key=lambda other: abs(other[1]))
    if abs(apart_s) <= _MOST_APART_S:
        return Finding("ok", "clock", f"{told}, as the modules say")
    way = "ahead of" if apart_s > 0 else "behind"
    return Finding(
        "warning", "clock", f"{told}; that of {name} is {abs(apart_s):,.0f} s {way} it", f"on both machines, {_SET_IT}"
    )
