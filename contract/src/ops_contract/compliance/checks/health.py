"""GET /health: whether it is complete, fast, and answered while the module executes."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Final

from ops_contract import Health, JsonError, parse_json
from ops_contract.compliance.module_under_test import ModuleUnderTest
from ops_contract.compliance.observation import Observation, Seen, broken, judged, met, problems_in, untested
from ops_contract.compliance.result import Exchange
from ops_contract.compliance.timing import Timed, idle_machine, timed

_DECLARED: Final = ("contract_versions", "profiles", "actions")
_DECLARED_POINTERS: Final = tuple(f"/{name}" for name in _DECLARED)
_LONGEST_S: Final = 1
_LONGEST_WAIT_S: Final = 5
_UNDER_WAY_S: Final = 0.3
_DELAY_S: Final = 2
# Many short calls keep a module busy that works on one after another; a few long ones do so too.
_SHORT_S: Final = 1.0
_SHORT_CALLS: Final = 8
_LONG_CALLS: Final = 3


async def run(module: ModuleUnderTest) -> AsyncGenerator[Observation]:
    """Check health when the module is idle and when it is busy."""
    idle = await timed(lambda: module.probe.send("GET", "/health"), idle_machine, _is_prompt)
    seen = idle.seen
    yield judged("OPS-HLT-001", seen.is_done, "200", seen.summary(), seen)
    yield _shape(seen)
    yield _declared(seen)
    calls = _BusyCalls(module)
    busy = await timed(calls.health, module.health_s, _is_prompt)
    while_busy = _while_busy(busy, calls)
    yield while_busy
    yield _speed(idle, busy if while_busy.met else None)


def _is_prompt(found: Timed) -> bool:
    return found.is_within(_LONGEST_S)


def _speed(idle: Timed, busy: Timed | None) -> Observation:
    """Whether both answers are fast. A health that does not come while an execute is running is left to OPS-HLT-003."""
    expected = f"an answer within {_LONGEST_S} s"
    if not _is_prompt(idle):
        return broken("OPS-HLT-004", expected, idle.took("a request to a server that has nothing to do"), idle.seen)
    if busy is not None and not _is_prompt(busy):
        actual = f"while an execute is running, {busy.took('it is idle and GET /health')}"
        return broken("OPS-HLT-004", f"{expected}, also while an execute is running", actual, busy.seen)
    return met("OPS-HLT-004", idle.seen)


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


@dataclass
class _BusyCalls:
    """Executes that are running while the health is requested. `outlasted` says that its answer came when all had ended."""

    module: ModuleUnderTest
    outlasted: bool = False
    answered: list[Exchange] = field(default_factory=list)

    async def health(self) -> Exchange:
        """The answer to a health that was requested while the module was busy."""
        number = _SHORT_CALLS if self.module.good_s < _SHORT_S else _LONG_CALLS
        wait_s = self.module.patience_s(number)
        # An extra input makes a stub slow; others ignore or refuse it, and then take as long as they take.
        calls = [
            asyncio.ensure_future(self.module.execute(self.module.slowed(self.module.request(), _DELAY_S), timeout_s=wait_s))
            for _ in range(number)
        ]
        try:
            await asyncio.sleep(_UNDER_WAY_S)
            ended_s = _DELAY_S + number * self.module.good_s
            exchange = await self.module.probe.send("GET", "/health", timeout_s=ended_s + _LONGEST_WAIT_S)
            self.outlasted = all(call.done() for call in calls)
        finally:
            self.answered = list(await asyncio.gather(*calls))
        return exchange


def _while_busy(found: Timed, calls: _BusyCalls) -> Observation:
    seen = found.seen
    if seen.exchange.status is None and all(call.status is None for call in calls.answered):
        return untested("OPS-HLT-003", "the module answered neither /health nor the executes meanwhile", seen)
    answered = seen.exchange.status is not None and (_is_prompt(found) or not calls.outlasted)
    actual = f"{seen.summary()} after {found.took('no execute is running and GET /health')}; every execute had ended by then"
    return judged("OPS-HLT-003", answered, "an answer while an execute is running", actual, seen)
