"""A module seen through its adapter, and two targets beside each other, by the command."""

import json
import shlex
import subprocess
from pathlib import Path
from typing import Final

import pytest
from command_line import ops_contract
from local_service import HTTP, ROOT, service, stub_addresses

from ops_stubs import __version__

pytestmark = [pytest.mark.slow]

EXAMPLE: Final = ROOT / "examples" / "adapters"


def kit(stubs: str, *words: str) -> subprocess.CompletedProcess[str]:
    return ops_contract(ROOT, *words, **stub_addresses(stubs))


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


CHAIN: Final = """
modules:
  forecast:
    url: {stubs}/legacy
    adapter:
      actions:
        forecast: &forecast
          path: /forecast
          body: '{{ "country_code": inputs.country, "years": inputs.time_horizon_years }}'
          outputs: '{{ "rows": response.body.rows }}'
        again: {{ <<: *forecast, needs: {{ before: forecast/forecast }}, outputs: "{{ 'rows': needs.before.outputs.rows }}" }}
  lonely:
    url: {stubs}/legacy
    adapter: {{ actions: {{ again: {{ <<: *forecast, needs: {{ before: absent/score }}, warnings: needs.before.raw }} }} }}
"""


@pytest.fixture
def chain(stubs: str, tmp_path: Path) -> str:
    """A modules.yaml with actions that need others."""
    (tmp_path / "modules.yaml").write_text(CHAIN.format(stubs=stubs))
    return str(tmp_path / "modules.yaml")


def test_action_that_needs_another_is_checked_by_calling_that_first(stubs: str, inputs: str, chain: str) -> None:
    report = json.loads(kit(stubs, "check", "--adapter", f"{chain}:forecast", "--inputs", inputs).stdout)
    assert (report["compliant"], report["untested_actions"]) == (True, {})
    assert report["subject"]["actions"] == ["forecast", "again"]


def test_action_whose_needs_nobody_meets_is_not_testable_and_says_what_to_give(stubs: str, inputs: str, chain: str) -> None:
    ran = kit(stubs, "check", "--adapter", f"{chain}:lonely", "--inputs", inputs)
    report = json.loads(ran.stdout)
    needs = "action 'again' of lonely needs the answer of 'before', a step of absent/score; absent is not registered"
    assert report["untested_actions"] == {"again": needs}
    assert not [one["id"] for one in report["findings"] if one["verdict"] == "fail"]
    asked = [one for one in report["findings"] if one["verdict"] == "not_testable" and "not testable: " in one["actual"]]
    assert {one["actual"] for one in asked} == {f"not testable: {needs}"}
    assert all(one["remedy"].startswith("Nothing in the module: give a run") for one in asked)
    assert {"OPS-EXE-001", "OPS-EVD-001"} <= {one["id"] for one in asked}
    assert ran.returncode == 1


def test_needs_are_met_from_a_run_and_the_printed_curl_reaches_the_module(
    stubs: str, inputs: str, chain: str, tmp_path: Path
) -> None:
    scenario = {"scenario_id": "demo", "modules": [], "inputs": json.loads(Path(inputs).read_bytes())}
    scenario["modules"] = [{"module": "forecast", "action": action, "id": action} for action in ("forecast", "again")]
    with service(tmp_path, "ops", "serve", "--port", "0", OPS_MODULES_FILE=chain) as (_, url):
        run_id = HTTP.post(f"{url}/plan_and_execute", json=scenario).json()["run_id"]
    earlier = ("--run", run_id, "--runs-dir", str(tmp_path / "runs"))
    ran = kit(stubs, "check", "--adapter", f"{chain}:forecast", "--inputs", inputs, *earlier, "--select", "OPS-EXE-001")
    report = json.loads(ran.stdout)
    (found,) = report["findings"]
    assert (found["verdict"], report["untested_actions"]) == ("pass", {}), found
    first, _, curl = found["exchanges"][0]["curl"].partition("\n")
    words = shlex.split(first.removeprefix("# first, elsewhere: "))
    assert words[words.index("--run") + 1] == run_id
    with service(tmp_path, *words):
        sent = subprocess.run(["sh", "-c", curl], capture_output=True, text=True, check=True).stdout
    assert sent.startswith("HTTP/1.1 200")
    assert '"rows"' in sent


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("http://127.0.0.1:9", "--run", "latest"), "--run and --runs-dir are for --adapter"),
        (("--adapter", "modules.yaml:a", "--runs-dir", "x"), "--runs-dir is for --run; say which run"),
    ],
)
def test_run_without_what_it_is_for_is_a_usage_error(stubs: str, words: tuple[str, ...], said: str) -> None:
    ran = kit(stubs, "check", *words)
    assert (ran.returncode, said in ran.stderr) == (2, True), ran.stderr


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


def test_brief_comparison_is_three_lines_with_the_command_for_the_rest(stubs: str) -> None:
    alike = kit(stubs, "compare", "--brief", "stub:monitor", f"{stubs}/monitor")
    assert (alike.returncode, alike.stdout) == (0, f"the answers of old {__version__} and new {__version__} are the same\n")
    other = kit(stubs, "compare", "--brief", "stub:monitor", f"{stubs}/data-layer")
    headline, first, rest = other.stdout.splitlines()
    assert other.returncode == 1
    assert headline.startswith(f"the answers of old {__version__} and new {__version__} differ in output (")
    assert first.startswith("execute /")
    assert " more" in first
    assert rest == f"at length: ops-contract compare stub:monitor {stubs}/data-layer"


def test_compare_with_nobody_is_unreachable(stubs: str) -> None:
    ran = kit(stubs, "compare", f"{stubs}/monitor", "http://127.0.0.1:9")
    assert ran.returncode == 3
    assert "http://127.0.0.1:9 cannot be reached: Connection refused; try: ops-contract doctor" in ran.stderr
