"""Hostile ids, very large bodies, and a deadline that is too short."""

import json
from collections.abc import AsyncGenerator

from ops_contract.compliance.module_under_test import ModuleUnderTest
from ops_contract.compliance.observation import Observation, Seen, broken, judged, met

_HOSTILE = ("../x", "a\x00b", "x" * 300, "..", "/etc/passwd", "")
_DEPTH = 1000
_KEYS = 100_000
_LONGEST_S = 5
_DEADLINE_S = 0.5
_DELAY_S = 5


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
    good = json.dumps(module.request())
    deep = good.replace('"inputs": {', '"inputs": {"deep": ' + "[" * _DEPTH + "]" * _DEPTH + ", ", 1).encode()
    wide = json.dumps(module.request(inputs={f"key_{number}": number for number in range(_KEYS)})).encode()
    for what, body in ((f"nesting of {_DEPTH} levels", deep), (f"{_KEYS} keys", wide)):
        seen = Seen(await module.execute(body, timeout_s=2 * _LONGEST_S))
        status, seconds = seen.exchange.status, seen.exchange.seconds
        if status is None or status >= 500 or seconds > _LONGEST_S:
            actual = f"{seen.summary()} after {seconds:.1f} s"
            return broken("OPS-LIM-001", f"an answer below 500 within {_LONGEST_S} s to {what}", actual, seen)
    return met("OPS-LIM-001", seen)


async def _deadline(module: ModuleUnderTest) -> Observation:
    request = module.request(options={"seed": 42, "deadline_s": _DEADLINE_S})
    # The extra input makes a stub slow. A module that refuses unknown inputs gets the request without it.
    seen = Seen(await module.execute(module.slowed(request, _DELAY_S)))
    if seen.is_refusal:
        seen = Seen(await module.execute(request))
    seconds = seen.exchange.seconds
    expected = f"an answer, or a retryable error, within {_DEADLINE_S + 1:g} s"
    in_time = seconds <= _DEADLINE_S + 1
    is_met = in_time and (seen.is_done or seen.error.get("retryable") is True)
    actual = f"{seen.summary()} after {seconds:.1f} s, retryable {seen.error.get('retryable')!r}"
    return judged("OPS-LIM-002", is_met, expected, actual, seen)
