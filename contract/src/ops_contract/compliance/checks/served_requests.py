"""Requests that the orchestrator may send any day: filled `upstream`, and what the schema allows, at its bounds."""

import json
import secrets
from collections.abc import AsyncGenerator, Iterator
from typing import Any, Final

from ops_contract.compliance.module_under_test import ModuleUnderTest
from ops_contract.compliance.observation import Observation, Seen, broken, met

_UNKNOWN: Final = {"x_unknown": {"a": [1, None]}}
_HASH: Final = "a758fe0075f3ee00b168426c1ccb9301d239bd3d4a2538afa0d3ad2fc25aec5b"
_ARTIFACTS: Final = (
    {"name": "tables/käse 1.csv", "media_type": "text/csv; charset=utf-8", "size_bytes": 19.0, "sha256": _HASH, **_UNKNOWN},
    {"name": "empty.bin", "media_type": "application/octet-stream", "size_bytes": 0, "sha256": _HASH, "title": "Nothing"},
)
_EVIDENCE: Final = (
    {"id": "e 1", "kind": "dataset", "title": "Census", "supports": ["/kpis/kit_figure", ""], "artifact": "empty.bin"},
    {"id": "e 2", "kind": "document", "title": "Law", "uri": None, "artifact": None, "synthetic": None, **_UNKNOWN},
)
_UPSTREAM: Final = {
    "kit-figures": {
        "module": "kit-upstream",
        "outputs": {"kpis": {"kit_figure": 1.5e-7}, "list": [None, True, "\U0001f4c8"], "": {}},
        "artifacts": _ARTIFACTS,
        "evidence": _EVIDENCE,
        **_UNKNOWN,
    },
    "Kit.empty_1": {"module": "kit-upstream-2", "outputs": {}},
}
"""Two earlier steps of modules that nobody looks for."""

_CHARSET: Final = {"Content-Type": "application/json; charset=utf-8"}
_LONGEST_ID: Final = 128
_LONGEST_SCENARIO_ID: Final = "\U0001f4c8" * 200


async def run(module: ModuleUnderTest) -> AsyncGenerator[Observation]:
    """Send a request with earlier steps, and good requests at the bounds of the schema."""
    seen = Seen(await module.execute(module.request(upstream=_UPSTREAM)))
    if seen.is_done:
        yield met("OPS-FWD-002", seen)
    else:
        yield broken("OPS-FWD-002", "200 for a request with earlier steps in upstream", _why(seen), seen)
    for what, request, headers in _at_the_bounds(module):
        seen = Seen(await module.execute(request, headers=headers))
        if not seen.is_done:
            yield broken("OPS-FWD-003", f"200 for {what}", _why(seen), seen)
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
    yield "the header Content-Type: application/json; charset=utf-8", module.request(), _CHARSET
    reversed_keys = json.dumps(_reversed(module.request()), ensure_ascii=False, indent="\t")
    yield "other white space and another order of keys", f"\r\n {reversed_keys} \n".encode(), {}


def _longest_id() -> str:
    return f"0{secrets.token_hex(4)}._-".ljust(_LONGEST_ID, "Z")


def _reversed(value: Any) -> Any:
    return {key: _reversed(value[key]) for key in reversed(value)} if isinstance(value, dict) else value


def _why(seen: Seen) -> str:
    message = seen.error.get("message")
    return f"{seen.summary()}{f': {message[:200]}' if isinstance(message, str) else ''}"
