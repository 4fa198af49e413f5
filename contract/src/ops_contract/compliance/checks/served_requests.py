"""Requests that the orchestrator may send any day: filled `upstream`, and what the schema allows, at its bounds."""

import json
import math
import secrets
from collections.abc import AsyncGenerator, Iterator
from typing import Any, Final

from ops_contract.compliance.checks.filled_upstream import FILLED_UPSTREAM
from ops_contract.compliance.checks.writings import in_another_order
from ops_contract.compliance.module_under_test import ModuleUnderTest
from ops_contract.compliance.observation import Observation, Seen, broken, met

_CHARSET: Final = {"Content-Type": "application/json; charset=utf-8"}
_LONGEST_ID: Final = 128
_LONGEST_SCENARIO_ID: Final = "\U0001f4c8" * 200
_ROOMY_S: Final = 30
_ROOMY_ANSWERS: Final = 20


async def run(module: ModuleUnderTest) -> AsyncGenerator[Observation]:
    """Send a request with earlier steps, and good requests at the bounds of the schema."""
    seen = Seen(await module.execute(module.request(upstream={**FILLED_UPSTREAM, **module.upstream})))
    if seen.is_done:
        yield met("OPS-FWD-002", seen)
    else:
        yield broken("OPS-FWD-002", "200 for a request with earlier steps in upstream", seen.explained(), seen)
    for what, request, headers in _at_the_bounds(module):
        seen = Seen(await module.execute(request, headers=headers))
        if not seen.is_done:
            yield broken("OPS-FWD-003", f"200 for {what}", seen.explained(), seen)
            return
    yield met("OPS-FWD-003", seen)


def _at_the_bounds(module: ModuleUnderTest) -> Iterator[tuple[str, dict[str, Any] | bytes, dict[str, str]]]:
    for field in ("run_id", "step_id"):
        yield f"a {field} of {_LONGEST_ID} characters", module.request(**{field: _longest_id()}), {}
    yield "a scenario_id of 200 characters beyond U+FFFF", module.request(scenario_id=_LONGEST_SCENARIO_ID), {}
    # Of the others, OPS-DET-004 is about modules that are deterministic.
    seeds = (42.0,) if "deterministic" in module.profiles else (42.0, 0, 2**31 - 1)
    for seed in seeds:
        yield f"the seed {seed}", module.request(options={"seed": seed}), {}
    deadline_s = max(_ROOMY_S, math.ceil(_ROOMY_ANSWERS * module.good_s))
    yield f"a deadline of {deadline_s} s, which is ample", module.request(options={"seed": 42, "deadline_s": deadline_s}), {}
    yield "the header Content-Type: application/json; charset=utf-8", module.request(), _CHARSET
    reversed_keys = json.dumps(in_another_order(module.request()), ensure_ascii=False, indent="\t")
    yield "other white space and another order of keys", f"\r\n {reversed_keys} \n".encode(), {}


def _longest_id() -> str:
    return f"0{secrets.token_hex(4)}._-".ljust(_LONGEST_ID, "Z")
