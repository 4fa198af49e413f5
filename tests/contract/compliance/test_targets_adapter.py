"""A module seen through its adapter, and two targets beside each other, by the command."""

import json
import subprocess
from pathlib import Path
from typing import Final

import pytest
from local_service import ROOT, command, environment, stub_addresses

pytestmark = [pytest.mark.slow]

EXAMPLE: Final = ROOT / "examples" / "adapters"


def kit(stubs: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [command("ops-contract"), *words],
        env=environment(**stub_addresses(stubs)),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def inputs(tmp_path: Path) -> str:
    """Inputs with which every module of the adapters' example can work."""
    known = json.loads((EXAMPLE / "scenario.json").read_bytes())["inputs"]
    (tmp_path / "inputs.json").write_text(json.dumps({**known, "indicator": "inflation"}))
    return str(tmp_path / "inputs.json")


def test_module_behind_an_adapter_is_compliant_and_the_report_says_what_the_adapter_brings(stubs: str, inputs: str) -> None:
    ran = kit(stubs, "check", "--adapter", f"{EXAMPLE}/modules.yaml:forecast", "--inputs", inputs)
    report = json.loads(ran.stdout)
    assert (ran.returncode, report["subject"]["module"]) == (0, "forecast")
    assert {"OPS-EXE-001", "OPS-ERR-001", "OPS-PTH-001"} <= set(report["covered_by_adapter"])
    assert {one["id"] for one in report["findings"] if one["verdict"] == "pass"} >= set(report["covered_by_adapter"])


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("modules.yaml:forcast", "did you mean 'forecast'?"),
        ("nothing.yaml:forecast", "cannot read"),
        ("modules.yaml:data-layer", "data-layer has no adapter"),
        ("modules.yaml", "names no module; write FILE:NAME"),
    ],
)
def test_adapter_that_cannot_be_looked_through_is_a_usage_error(stubs: str, target: str, said: str) -> None:
    ran = kit(stubs, "check", "--adapter", f"{EXAMPLE}/{target}")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert said in ran.stderr


def test_compare_takes_a_stub_and_a_url(stubs: str) -> None:
    alike = kit(stubs, "compare", "stub:monitor", f"{stubs}/monitor")
    assert (alike.returncode, json.loads(alike.stdout)["changes"]) == (0, [])
    other = kit(stubs, "compare", "stub:monitor", f"{stubs}/data-layer")
    changes = json.loads(other.stdout)["changes"]
    assert other.returncode == 1
    assert {change["what"] for change in changes} >= {"output", "artifact"}


def test_compare_with_nobody_is_unreachable(stubs: str) -> None:
    ran = kit(stubs, "compare", f"{stubs}/monitor", "http://127.0.0.1:9")
    assert ran.returncode == 3
    assert "http://127.0.0.1:9 cannot be reached: Connection refused; try: ops-contract doctor" in ran.stderr
