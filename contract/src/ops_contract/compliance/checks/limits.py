"""Hostile ids, very large bodies, and a deadline that is too short."""

import json
from collections.abc import AsyncGenerator, Callable, Mapping
from functools import partial
from typing import Final

from ops_contract.compliance.module_under_test import ModuleUnderTest
from ops_contract.compliance.observation import Observation, Seen, broken, judged, met
from ops_contract.compliance.result import Exchange
from ops_contract.compliance.timing import Timed, timed

_IDS: Final = ("run_id", "step_id")
_HOSTILE: Final = ("../x", "a\x00b", "x" * 300, "..", "/etc/passwd", "")
_DEPTH = 1000
_KEYS = 100_000
_LONGEST_S = 5
_DEADLINE_S = 0.5
# The deadline counts from the arrival of the request, and the answer is on its way for a moment.
_TRANSFER_S = 0.25
_DELAY_S = 3


async def run(module: ModuleUnderTest) -> AsyncGenerator[Observation]:
    """Send ids that are dangerous as file names, bodies that exhaust a reader, and a deadline."""
    yield await _paths(module)
    yield await _sizes(module)
    yield await _deadline(module)


async def _paths(module: ModuleUnderTest) -> Observation:
    for field in _IDS:
        for hostile in _HOSTILE:
            seen = Seen(await module.execute(module.request(**{field: hostile})))
            if not seen.is_refusal:
                return broken("OPS-PTH-001", f"4xx for the {field} {hostile[:20]!r}", seen.summary(), seen)
    return met("OPS-PTH-001", seen)


async def _sizes(module: ModuleUnderTest) -> Observation:
    for what, body in _LARGE.items():
        found = await timed(partial(_send_large, module, body), module.good_request_s, _is_soon_enough)
        status = found.seen.exchange.status
        if status is None or status >= 500 or not _is_soon_enough(found):
            actual = f"{found.seen.summary()} after {found.took('a good request')}"
            expected = f"an answer below 500 to {what}, within {_LONGEST_S} s more than a good request takes"
            return broken("OPS-LIM-001", expected, actual, found.seen)
    return met("OPS-LIM-001", found.seen)


def _is_soon_enough(found: Timed) -> bool:
    return found.is_within(_LONGEST_S)


def _deep(module: ModuleUnderTest) -> bytes:
    request = module.request()
    shallow = json.dumps({**request, "inputs": {**request["inputs"], "deep": "@"}})
    return shallow.replace('"@"', "[" * _DEPTH + "]" * _DEPTH, 1).encode()


def _wide(module: ModuleUnderTest) -> bytes:
    return json.dumps(module.request(inputs={f"key_{number}": number for number in range(_KEYS)})).encode()


_LARGE: Final[Mapping[str, Callable[[ModuleUnderTest], bytes]]] = {
    f"nesting of {_DEPTH} levels": _deep,
    f"{_KEYS} keys": _wide,
}


async def _send_large(module: ModuleUnderTest, body: Callable[[ModuleUnderTest], bytes]) -> Exchange:
    return await module.execute(body(module), timeout_s=2 * (_LONGEST_S + module.good_s))


async def _deadline(module: ModuleUnderTest) -> Observation:
    found = await timed(partial(_send_with_deadline, module), module.health_s, _is_in_time)
    retryable = found.seen.error.get("retryable")
    actual = f"{found.seen.summary()} after {found.took('GET /health')}; retryable {retryable!r}"
    expected = f"200 within the deadline of {_DEADLINE_S:g} s, or a retryable error within {_DEADLINE_S + 1:g} s"
    right = found.seen.is_done or retryable is True
    return judged("OPS-LIM-002", right and _is_in_time(found), expected, actual, found.seen)


def _is_in_time(found: Timed) -> bool:
    return found.is_within(_DEADLINE_S + (_TRANSFER_S if found.seen.is_done else 1))


async def _send_with_deadline(module: ModuleUnderTest) -> Exchange:
    """The extra input makes a stub slow. A module that refuses unknown inputs gets the request without it."""
    request = module.request(options={"seed": 42, "deadline_s": _DEADLINE_S})
    exchange = await module.execute(module.slowed(request, _DELAY_S))
    return await module.execute(request) if Seen(exchange).is_refusal else exchange
