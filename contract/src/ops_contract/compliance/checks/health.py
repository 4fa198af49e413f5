"""GET /health: whether it is complete, fast, and answered while the module executes."""

import asyncio
from collections.abc import AsyncGenerator

from ops_contract import Health, JsonError, parse_json
from ops_contract.compliance.module_under_test import ModuleUnderTest
from ops_contract.compliance.observation import Observation, Seen, first_in_time, judged, problems_in, untested

_DECLARED = ("contract_versions", "profiles", "actions")
_DECLARED_POINTERS = tuple(f"/{name}" for name in _DECLARED)
_AT_ONCE_S = 1
_UNDER_WAY_S = 0.3
_DELAY_S = 2


async def run(module: ModuleUnderTest) -> AsyncGenerator[Observation]:
    """Check health when the module is idle and when it is busy."""
    seen = await first_in_time(lambda: module.probe.send("GET", "/health", timeout_s=10), _AT_ONCE_S)
    yield judged("OPS-HLT-001", seen.is_done, "200", seen.summary(), seen)
    yield _shape(seen)
    seconds = seen.exchange.seconds
    yield judged("OPS-HLT-004", seconds <= _AT_ONCE_S, f"an answer within {_AT_ONCE_S} s", f"{seconds:.2f} s", seen)
    yield _declared(seen)
    yield await _while_busy(module, seconds)


def _shape(seen: Seen) -> Observation:
    expected = "a JSON object with status, module and version, each a string that is not empty"
    try:
        parse_json(seen.exchange.body)
    except JsonError as error:
        return judged("OPS-HLT-002", False, expected, str(error), seen)
    problems = [str(one) for one in problems_in(Health, seen.value) if not one.pointer.startswith(_DECLARED_POINTERS)]
    if problems:
        return judged("OPS-HLT-002", False, expected, "; ".join(problems[:3]), seen)
    json_typed = seen.exchange.media_type == "application/json"
    return judged("OPS-HLT-002", json_typed, f"{expected}, as application/json", f"sent as {seen.exchange.media_type!r}", seen)


def _declared(seen: Seen) -> Observation:
    expected = f"lists under {', '.join(_DECLARED)}"
    missing = [name for name in _DECLARED if not isinstance(seen.fields.get(name), list)]
    problems = [str(one) for one in problems_in(Health, seen.value) if one.pointer.startswith(_DECLARED_POINTERS)]
    actual = f"no list under {', '.join(missing)}" if missing else "; ".join(problems[:3])
    return judged("OPS-HLT-005", not missing and not problems, expected, actual, seen)


async def _while_busy(module: ModuleUnderTest, idle_s: float) -> Observation:
    """Request the health while several calls are running; an extra input makes a stub slow."""
    slow = module.slowed(module.request(), _DELAY_S)
    calls = [asyncio.ensure_future(module.execute({**slow, "step_id": f"busy-{number}"})) for number in range(3)]
    try:
        await asyncio.sleep(_UNDER_WAY_S)
        seen = Seen(await module.probe.send("GET", "/health", timeout_s=5))
        waited_for_them = all(call.done() for call in calls) and seen.exchange.seconds > idle_s + _AT_ONCE_S
    finally:
        await asyncio.gather(*calls)
    if seen.exchange.status is None and all(call.result().status is None for call in calls):
        return untested("OPS-HLT-003", "the module answered neither /health nor the executes meanwhile", seen)
    answered = seen.exchange.status is not None and not waited_for_them
    actual = f"{seen.summary()} after {seen.exchange.seconds:.1f} s, when every execute had ended"
    return judged("OPS-HLT-003", answered, "an answer while an execute is running", actual, seen)
