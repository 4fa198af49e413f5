"""A hostile answer must cost about as much memory as its bytes, whatever it says.

The cases run in forks of one process, each of which has a peak of its own that the operating system keeps.
"""

import json
import subprocess
import sys

import pytest

MIB = 1024 * 1024

CASES = [
    ("envelope", "artifacts", {}),
    ("envelope", "evidence", {}),
    ("envelope", "warnings", 0),
    ("evidence", "supports", 0),
    ("health", "contract_versions", 0),
    ("health", "profiles", 0),
    ("health", "actions", 0),
    ("upstream", "artifacts", {}),
    ("upstream", "evidence", {}),
    ("steps", "upstream", 0),
    ("text", "outputs", 0),
]

REFUSE = """
import json, os, resource, sys
from ops_contract import ExecuteRequest, Health, ShapeError, TooManyValuesError, parse_envelope, parse_json, validate

def document(kind, part, items):
    envelope = {"status": "success", "module": "m", "outputs": {}}
    match kind:
        case "envelope":
            return envelope | {part: items}
        case "evidence":
            return envelope | {"evidence": [{"id": "e", "kind": "k", "title": "t", part: items}]}
        case "health":
            return {"status": "ok", "module": "m", "version": "1", part: items}
        case "text":
            return json.dumps(envelope | {part: items}).encode()
    names = {"run_id": "r", "step_id": "s", "scenario_id": "x", "action": "a"}
    if kind == "steps":
        return {"contract_version": "1.0", **names, "inputs": {}, part: dict(enumerate(items))}
    step = {"module": "m", "outputs": {}, part: items}
    return {"contract_version": "1.0", **names, "inputs": {}, "upstream": {"u": step}}

def read(kind, value):
    match kind:
        case "health":
            validate(Health, value, "health")
        case "text":
            parse_json(value)
        case "upstream" | "steps":
            validate(ExecuteRequest, value, "request")
        case _:
            parse_envelope(value)

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

for kind, part, item in json.loads(sys.argv[1]):
    if os.fork():
        os.wait()
        continue
    value = document(kind, part, [dict(item) if isinstance(item, dict) else item for _ in range(300_000)])
    before = peak()
    try:
        read(kind, value)
    except ShapeError as error:
        print(json.dumps([kind, part, len(error.problems), peak() - before]), flush=True)
    except TooManyValuesError:
        print(json.dumps([kind, part, 0, peak() - before]), flush=True)
    os._exit(0)
"""


@pytest.fixture(scope="module")
def refusals() -> dict[tuple[str, str], tuple[int, int]]:
    """How many problems each case had, and by how many bytes it raised the peak."""
    command = [sys.executable, "-c", REFUSE, json.dumps(CASES)]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    return {(kind, part): (problems, size) for kind, part, problems, size in map(json.loads, ran.stdout.splitlines())}


@pytest.mark.parametrize(("kind", "part"), [case[:2] for case in CASES])
def test_300_000_items_are_refused_at_the_first_wrong_one_with_little_memory(
    refusals: dict[tuple[str, str], tuple[int, int]], kind: str, part: str
) -> None:
    problems, extra_bytes = refusals[kind, part]
    assert problems <= 4  # those of the first item
    assert extra_bytes < 16 * MIB
