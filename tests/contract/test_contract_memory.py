"""A hostile answer must cost about as much memory as its bytes, whatever it says.

Each case runs in a process of its own, whose peak the operating system keeps.
"""

import subprocess
import sys

import pytest

MIB = 1024 * 1024

_REFUSE = """
import json, resource, sys
from ops_contract import ExecuteRequest, Health, ShapeError, parse_envelope, validate

kind, part, item, count = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), int(sys.argv[4])
items = [dict(item) if isinstance(item, dict) else item for _ in range(count)]
step = {"module": "m", "outputs": {}, part: items}
value, read = {
    "envelope": ({"status": "success", "module": "m", "outputs": {}, part: items}, parse_envelope),
    "evidence": (
        {"status": "success", "module": "m", "outputs": {}, "evidence": [{"id": "e", "kind": "k", "title": "t", part: items}]},
        parse_envelope,
    ),
    "health": ({"status": "ok", "module": "m", "version": "1", part: items}, lambda value: validate(Health, value, "health")),
    "upstream": (
        {
            **{"contract_version": "1.0", "run_id": "r", "step_id": "s", "scenario_id": "x", "action": "a"},
            **{"inputs": {}, "upstream": {"u": step}},
        },
        lambda value: validate(ExecuteRequest, value, "request"),
    ),
}[kind]
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    read(value)
except ShapeError as error:
    print(len(error.problems), (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


@pytest.mark.parametrize(
    ("kind", "part", "item"),
    [
        ("envelope", "artifacts", "{}"),
        ("envelope", "evidence", "{}"),
        ("envelope", "warnings", "0"),
        ("evidence", "supports", "0"),
        ("health", "contract_versions", "0"),
        ("health", "profiles", "0"),
        ("health", "actions", "0"),
        ("upstream", "artifacts", "{}"),
        ("upstream", "evidence", "{}"),
    ],
)
def test_array_of_300_000_wrong_items_is_refused_at_the_first_with_little_memory(kind: str, part: str, item: str) -> None:
    command = [sys.executable, "-c", _REFUSE, kind, part, item, "300000"]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    problems, extra_bytes = map(int, ran.stdout.split())
    assert problems <= 4  # those of the first item
    assert extra_bytes < 16 * MIB
