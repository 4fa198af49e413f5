"""The same request under different run ids: whether the answer is the same, also for calls at once, and for any seed."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from ops_contract import ContractError, fingerprint
from ops_contract.compliance.module_under_test import ModuleUnderTest
from ops_contract.compliance.observation import Observation, Seen, broken, judged, met, untested

_AT_ONCE = 8


async def run(module: ModuleUnderTest) -> AsyncGenerator[Observation]:
    """Send the request twice, eight times at once, and with the first and the last seed."""
    first, second = [Seen(await module.execute(module.request())) for _ in range(2)]
    yield _equal("OPS-DET-001", "outputs", first, second)
    yield _equal("OPS-DET-002", "artifacts", first, second)
    at_once = [Seen(one) for one in await asyncio.gather(*(module.execute(module.request()) for _ in range(_AT_ONCE)))]
    yield _all_equal(first, at_once)
    for seed in (0, 2**31 - 1):
        seen = Seen(await module.execute(module.request(options={"seed": seed})))
        if not seen.is_done:
            yield broken("OPS-DET-004", f"200 with the seed {seed}", seen.summary(), seen)
            return
    yield met("OPS-DET-004", seen)


def _equal(requirement: str, part: str, first: Seen, second: Seen) -> Observation:
    if not (first.is_done and second.is_done):
        return untested(requirement, "the module does not answer the same valid request twice with 200", first, second)
    same = _found(first, part) == _found(second, part)
    return judged(
        requirement, same, f"equal {part} for the same inputs and seed", _difference(first, second, part), first, second
    )


def _all_equal(first: Seen, at_once: list[Seen]) -> Observation:
    expected = f"the same outputs and artifacts for {_AT_ONCE} calls at once"
    if not at_once or not any(seen.is_done for seen in at_once):
        return untested("OPS-DET-003", f"none of {_AT_ONCE} calls at once succeeds", *at_once[:1])
    reference = at_once[0]
    for seen in at_once:
        if not seen.is_done:
            return broken("OPS-DET-003", expected, seen.summary(), seen)
        for part in ("outputs", "artifacts"):
            if _found(seen, part) != _found(reference, part):
                # Differences between calls one after the other belong to OPS-DET-001 and OPS-DET-002.
                return broken("OPS-DET-003", expected, _difference(reference, seen, part), reference, seen)
    return met("OPS-DET-003", first)


def _found(seen: Seen, part: str) -> str | None:
    value: Any = seen.fields.get(part)
    if part == "artifacts":
        items = value if isinstance(value, list) else []
        value = {str(item.get("name")): item.get("sha256") for item in items if isinstance(item, dict)}
    try:
        return fingerprint(value)
    except (ContractError, ValueError):  # half of a surrogate pair belongs to OPS-EXE-004
        return repr(value)


def _difference(first: Seen, second: Seen, part: str) -> str:
    ones, others = first.fields.get(part), second.fields.get(part)
    if isinstance(ones, dict) and isinstance(others, dict):
        names = sorted(name for name in ones.keys() | others.keys() if ones.get(name) != others.get(name))
        return f"{part} differ in {', '.join(names)}"
    return f"{part} differ"
