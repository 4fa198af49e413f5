"""Hostile ids, very large bodies, and a deadline that is too short."""

import json
from collections.abc import AsyncGenerator, Callable
from functools import partial

from ops_contract.compliance.module_under_test import ModuleUnderTest
from ops_contract.compliance.observation import Observation, Seen, broken, first_good, first_in_time, judged, met
from ops_contract.compliance.result import Exchange

_HOSTILE = ("../x", "a\x00b", "x" * 300, "..", "/etc/passwd", "")
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
    for field in ("run_id", "step_id"):
        for hostile in _HOSTILE:
            seen = Seen(await module.execute(module.request(**{field: hostile})))
            if not seen.is_refusal:
                return broken("OPS-PTH-001", f"4xx for the {field} {hostile[:20]!r}", seen.summary(), seen)
    return met("OPS-PTH-001", seen)


async def _sizes(module: ModuleUnderTest) -> Observation:
    for what, body in ((f"nesting of {_DEPTH} levels", _deep), (f"{_KEYS} keys", _wide)):
        seen = await first_in_time(partial(_send_large, module, body), _LONGEST_S)
        status, seconds = seen.exchange.status, seen.exchange.seconds
        if status is None or status >= 500 or seconds > _LONGEST_S:
            actual = f"{seen.summary()} after {seconds:.1f} s"
            return broken("OPS-LIM-001", f"an answer below 500 within {_LONGEST_S} s to {what}", actual, seen)
    return met("OPS-LIM-001", seen)


def _deep(module: ModuleUnderTest) -> bytes:
    good = json.dumps(module.request())
    return good.replace('"inputs": {', '"inputs": {"deep": ' + "[" * _DEPTH + "]" * _DEPTH + ", ", 1).encode()


def _wide(module: ModuleUnderTest) -> bytes:
    return json.dumps(module.request(inputs={f"key_{number}": number for number in range(_KEYS)})).encode()


async def _send_large(module: ModuleUnderTest, body: Callable[[ModuleUnderTest], bytes]) -> Exchange:
    return await module.execute(body(module), timeout_s=2 * _LONGEST_S)


async def _deadline(module: ModuleUnderTest) -> Observation:
    seen = await first_good(partial(_send_with_deadline, module), _is_in_time)
    expected = f"200 within the deadline of {_DEADLINE_S:g} s, or a retryable error within {_DEADLINE_S + 1:g} s"
    actual = f"{seen.summary()} after {seen.exchange.seconds:.1f} s, retryable {seen.error.get('retryable')!r}"
    return judged("OPS-LIM-002", _is_in_time(seen), expected, actual, seen)


def _is_in_time(seen: Seen) -> bool:
    if seen.is_done:
        return seen.exchange.seconds <= _DEADLINE_S + _TRANSFER_S
    return seen.exchange.seconds <= _DEADLINE_S + 1 and seen.error.get("retryable") is True


async def _send_with_deadline(module: ModuleUnderTest) -> Exchange:
    """The extra input makes a stub slow. A module that refuses unknown inputs gets the request without it."""
    request = module.request(options={"seed": 42, "deadline_s": _DEADLINE_S})
    exchange = await module.execute(module.slowed(request, _DELAY_S))
    return await module.execute(request) if Seen(exchange).is_refusal else exchange
