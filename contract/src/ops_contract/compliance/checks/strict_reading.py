"""Requests that JSON parsers read, each in its own way: whether the module refuses them and does not guess (OPS-ERR-011)."""

import json
from collections.abc import AsyncGenerator, Mapping
from typing import Final

from ops_contract import MAX_DEPTH
from ops_contract.compliance.module_under_test import ModuleUnderTest
from ops_contract.compliance.observation import Observation, Seen, broken, met

_ODD_INPUTS: Final = {
    "a key that stands twice in one object": '"kit_odd": 1, "kit_odd": 2',
    "an integer of 2^53": '"kit_odd": 9007199254740992',
    "a byte in a string that is not UTF-8": '"kit_odd": "\xff"',
    "half of a surrogate pair": '"kit_odd": "\\ud800"',
    "a number beyond the range of a double": '"kit_odd": 1e400',
    f"nesting beyond {MAX_DEPTH} levels": f'"kit_odd": {"[" * MAX_DEPTH}{"]" * MAX_DEPTH}',
}
"""By what is odd, characters that each stand for the byte of their number."""

_ENCODINGS: Final = {"a byte order mark": "utf-8-sig", "UTF-16": "utf-16-le", "UTF-16 with a byte order mark": "utf-16"}
"""What widely used parsers look for and decode unasked."""


async def run(module: ModuleUnderTest) -> AsyncGenerator[Observation]:
    """Send good requests with one odd thing each."""
    for what, body in _odd_requests(module).items():
        seen = Seen(await module.execute(body))
        if seen.exchange.status != 400:
            yield broken("OPS-ERR-011", f"400 for {what}", seen.summary(), seen)
            return
    yield met("OPS-ERR-011", seen)


def _odd_requests(module: ModuleUnderTest) -> Mapping[str, bytes]:
    requests = {what: _with_input(module, odd) for what, odd in _ODD_INPUTS.items()}
    return requests | {what: json.dumps(module.request()).encode(encoding) for what, encoding in _ENCODINGS.items()}


def _with_input(module: ModuleUnderTest, odd: str) -> bytes:
    request = module.request()
    rest = json.dumps(request["inputs"])[1:]
    inputs = f"{{{odd}{'' if rest == '}' else ', '}{rest}"
    return json.dumps({**request, "inputs": "@"}).replace('"@"', inputs, 1).encode("latin-1")
