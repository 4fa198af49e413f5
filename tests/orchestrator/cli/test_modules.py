"""`ops modules show` and `ops modules try`, against the stubs and the legacy service on real sockets."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from command_line import on_terminal, ops
from local_service import HTTP, ROOT, service, stub_addresses

from ops_contract import sha256_hex

pytestmark = pytest.mark.slow

MODULES = ROOT / "examples" / "adapters" / "modules.yaml"
SCENARIO = ROOT / "examples" / "adapters" / "scenario.json"
INPUTS = {"country": "DO", "indicator": "gini"}


@pytest.fixture(scope="module")
def variables(stubs: str) -> dict[str, str]:
    return {"OPS_MODULES_FILE": str(MODULES), "OPS_READY_TIMEOUT_S": "60", **stub_addresses(stubs)}


@pytest.fixture(scope="module")
def run_home(variables: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with one run of the example's first seven steps."""
    home = tmp_path_factory.mktemp("home")
    scenario = json.loads(SCENARIO.read_bytes())
    scenario["modules"] = scenario["modules"][:7]
    with service(home, "ops", "serve", "--port", "0", **variables) as (_, url):
        HTTP.post(f"{url}/plan_and_execute", json=scenario).raise_for_status()
        yield home


def test_show_on_a_terminal_is_yaml_that_declares_the_same_again(tmp_path: Path, variables: dict[str, str]) -> None:
    code, shown = on_terminal(tmp_path, "modules", "show", "policy-simulator", **variables)
    assert code == 0
    (tmp_path / "again.yaml").write_text("modules:\n" + "".join(f"  {line}\n" for line in shown.splitlines()))
    piped = ops(tmp_path, "modules", "show", "policy-simulator", **variables)
    again = ops(tmp_path, "modules", "show", "policy-simulator", OPS_MODULES_FILE=str(tmp_path / "again.yaml"))
    assert json.loads(piped.stdout) == json.loads(again.stdout)
    assert yaml.safe_load(shown)["policy-simulator"]["adapter"]["actions"]["run_scenario"]["timeout_s"] == 120


def test_show_has_what_the_built_in_adapter_brings(tmp_path: Path, variables: dict[str, str]) -> None:
    told = json.loads(ops(tmp_path, "modules", "show", "archive", **variables).stdout)
    declared = told["adapter"]
    assert told["adapter_base"] == "integration-spec-1.0"
    assert declared["health"] == {"path": "/health", "version": "response.body.version"}
    assert "scenario_id" in declared["actions"]["execute"]["body"]
    assert declared["actions"]["execute"]["outputs"] == "response.body.output"


def test_show_of_a_module_without_an_adapter_has_its_call_options(tmp_path: Path, variables: dict[str, str]) -> None:
    declared = json.loads(ops(tmp_path, "modules", "show", "data-layer", **variables).stdout)
    assert (declared["actions"], declared["timeout_s"]) == (["execute"], 60.0)
    assert "adapter" not in declared


def test_show_of_an_unknown_module_suggests_one(tmp_path: Path, variables: dict[str, str]) -> None:
    ran = ops(tmp_path, "modules", "show", "reprt", **variables)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "there is no module 'reprt' in modules.yaml; did you mean 'report'?" in ran.stderr


def test_try_that_is_piped_prints_request_response_and_envelope_as_json(tmp_path: Path, variables: dict[str, str]) -> None:
    ran = ops(tmp_path, "modules", "try", "indicators", "--inputs", "-", stdin=json.dumps(INPUTS), **variables)
    told = json.loads(ran.stdout)
    assert (ran.returncode, told["error"]) == (0, None)
    assert told["request"]["method"] == "GET"
    assert told["request"]["url"].endswith("/legacy/indicators?iso=DO&name=gini&last=5")
    assert told["response"]["body"][-1] == {"y": 2025, "v": "0.390"}
    assert told["envelope"]["outputs"]["series"][-1] == {"year": 2025, "value": 0.39}
    assert not list(tmp_path.iterdir())


def test_try_on_a_terminal_is_readable(tmp_path: Path, variables: dict[str, str]) -> None:
    (tmp_path / "inputs.json").write_text(json.dumps(INPUTS))
    words = ("modules", "try", "indicators", "--action", "series", "--inputs", "inputs.json")
    code, shown = on_terminal(tmp_path, *words, **variables)
    assert code == 0
    parts = [shown.index(title) for title in ("Mapped request", "Raw response", "Envelope", "✓ indicators did series")]
    assert parts == sorted(parts)


def test_try_shows_how_a_job_was_asked_for_and_takes_files_by_their_addresses(
    tmp_path: Path, variables: dict[str, str]
) -> None:
    inputs = tmp_path / "inputs.json"
    inputs.write_text('{"country": "DO", "time_horizon_years": 2}')
    tried = json.loads(ops(tmp_path, "modules", "try", "simulation", "--inputs", str(inputs), **variables).stdout)
    assert (tried["request"]["method"], tried["request"]["body"]["years"]) == ("POST", 2)
    assert (tried["job"]["asks"], tried["job"]["is_done"], tried["job"]["submitted"]["status"]) == (3, True, 202)
    assert tried["response"]["body"]["state"] == "done"
    assert [artifact["name"] for artifact in tried["envelope"]["artifacts"]] == ["paths.csv"]
    code, shown = on_terminal(tmp_path, "modules", "try", "simulation", "--inputs", str(inputs), **variables)
    assert code == 0
    assert '"asks": 3' in shown


def test_try_takes_earlier_steps_inputs_and_seed_from_a_run(run_home: Path, variables: dict[str, str]) -> None:
    (run,) = (run_home / "runs").glob("run_*")
    told: dict[str, Any] = json.loads(ops(run_home, "modules", "try", "report", "--run", run.name, **variables).stdout)
    results = json.loads((run / "results.json").read_bytes())["steps"]
    recorded = json.loads((run / "steps/6-policy-simulator/response.json").read_bytes())
    assert told["request"]["body"]["paragraphs"][0] == recorded["brief"]["text"]
    assert str(results["supplychain-risk"]["outputs"]["overall"]).removesuffix(".0") in told["request"]["body"]["paragraphs"][1]
    assert told["envelope"]["artifacts"][0]["sha256"] == told["response"]["body"]["sha256"]
    assert told["envelope"]["artifacts"][0]["media_type"] == "application/pdf"


def test_try_finds_the_step_by_module_and_action_and_takes_what_came_before_it(
    tmp_path: Path, variables: dict[str, str], stubs: str
) -> None:
    modules = f"""
modules:
  forecast:
    url: {stubs}/legacy
    adapter:
      actions:
        rough: {{ path: /forecast, body: &body '{{ "country_code": inputs.country, "years": inputs.years }}' }}
        fine:
          path: /forecast
          needs: {{ before: forecast/rough }}
          body: *body
          outputs: '{{ "before": needs.before.outputs, "steps": $keys(upstream), "step": step_id }}'
"""
    (tmp_path / "modules.yaml").write_text(modules)
    here = {**variables, "OPS_MODULES_FILE": "modules.yaml"}
    rough = [{"module": "forecast", "id": name, "action": "rough"} for name in ("one", "two", "three")]
    fine = {"module": "forecast", "id": "last", "action": "fine", "inputs": {"years": 2}, "with": {"before": "one"}}
    asked = {"scenario_id": "demo", "modules": [*rough[:2], fine, rough[2]], "inputs": {"country": "DO", "years": 3}}
    with service(tmp_path, "ops", "serve", "--port", "0", **here) as (_, url):
        ran = HTTP.post(f"{url}/plan_and_execute", json=asked).json()
    told = json.loads(ops(tmp_path, "modules", "try", "forecast", "--action", "fine", "--run", "latest", **here).stdout)
    assert told["request"]["body"] == {"country_code": "DO", "years": 2}
    assert told["envelope"]["outputs"]["steps"] == ["one", "two"]
    assert told["envelope"]["outputs"]["step"] == "last"
    assert told["envelope"]["outputs"] == {key: ran["results"]["last"][key] for key in ("before", "steps", "step")}


def test_try_of_a_step_that_needs_others_says_how_to_give_them(tmp_path: Path, variables: dict[str, str]) -> None:
    ran = ops(tmp_path, "modules", "try", "report", **variables)
    assert ran.returncode == 2
    assert "Name a run that has these steps with --run." in ran.stderr
    assert "uses the answer of the step 'forecast'" in ran.stderr


def test_try_that_fails_shows_how_far_it_came_and_exits_1(tmp_path: Path, variables: dict[str, str]) -> None:
    ran = ops(tmp_path, "modules", "try", "indicators", "--inputs", "-", stdin='{"country": "XX"}', **variables)
    told = json.loads(ran.stdout)
    assert (ran.returncode, told["envelope"]) == (1, None)
    assert told["error"]["message"] == "indicators answers 404: no series for XX"
    assert (told["response"]["status"], told["response"]["body"]) == (404, "no series for XX")


def test_try_of_a_module_that_is_not_there_exits_3(tmp_path: Path, variables: dict[str, str]) -> None:
    ran = ops(tmp_path, "modules", "try", "forecast", **{**variables, "LEGACY_URL": "http://127.0.0.1:9"})
    told = json.loads(ran.stdout)
    assert (ran.returncode, told["response"]) == (3, None)
    assert "cannot be reached" in told["error"]["message"]


def test_try_works_for_a_module_that_speaks_the_contract(tmp_path: Path, variables: dict[str, str]) -> None:
    told = json.loads(
        ops(tmp_path, "modules", "try", "data-layer", "--inputs", "-", stdin='{"country": "DR"}', **variables).stdout
    )
    assert told["request"]["body"]["inputs"] == {"country": "DR"}
    (stored,) = told["envelope"]["artifacts"]
    assert stored["name"] == "indicators.csv"
    assert len(stored["sha256"]) == len(sha256_hex(b""))


@pytest.mark.parametrize(
    ("words", "stdin", "said"),
    [
        (["indicators", "--action", "sereis"], "", "indicators has no action 'sereis'; did you mean 'series'?"),
        (["indicators", "--inputs", "gone.json"], "", "cannot read gone.json: No such file or directory"),
        (["indicators", "--inputs", "-"], "[1]", "-: the inputs must be a JSON object"),
        (["indicators", "--inputs", "-"], "{", "-: "),
        (["indicators", "--run", "run_2026-01-09T12-34-56Z_ab12cd"], "", "there is no run 'run_2026-01-09T12-34-56Z_ab12cd'"),
    ],
)
def test_try_with_wrong_words_exits_2_with_a_sentence(
    tmp_path: Path, variables: dict[str, str], words: list[str], stdin: str, said: str
) -> None:
    (tmp_path / "runs").mkdir()
    ran = ops(tmp_path, "modules", "try", *words, stdin=stdin, **variables)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr
