"""CI of module teams: the scripts of the action and of the template as they stand, and what they name."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
import yaml
from github_action import Action, expressions, outputs_in
from local_service import ROOT, environment, service

pytestmark = pytest.mark.slow

HARNESS: Final = Action(ROOT / "harness/action.yml")
KIT: Final = Action(ROOT / "contract/action.yml")
WORKFLOW: Final = yaml.safe_load((ROOT / ".github/workflows/module.yml").read_text())
GITLAB: Final = yaml.safe_load((ROOT / "harness/gitlab.yml").read_text())[".openpolicystack"]
TOOLS: Final = str(Path(sys.executable).parent)
CHECK: Final = "Check the module in the stack"
# Each check asks for hundreds of results, which this one has at once: it draws nothing.
MODULE: Final = "monitor"
SCENARIO: Final = f'{{"scenario_id": "one", "modules": ["{MODULE}"], "inputs": {{"country": "DO"}}}}'


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with service(tmp_path_factory.mktemp("module"), "ops-stubs", "serve", MODULE, "--port", "0") as (_, url):
        yield url


def action(folder: Path, **given: str) -> subprocess.CompletedProcess[str]:
    inputs = HARNESS.inputs | {name.replace("_", "-"): value for name, value in given.items()}
    return HARNESS.run(CHECK, folder, {f"inputs.{name}": value for name, value in inputs.items()}, TOOLS)


def test_action_puts_the_module_into_the_stack_and_keeps_runs_and_logs(module: str, tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text(SCENARIO)
    ran = action(tmp_path, module=MODULE, url=module, scenarios="one.json\n", report_dir="kept here")
    assert ran.returncode == 0, ran.stdout
    assert outputs_in(tmp_path) == {"report": "kept here"}
    assert "<testcase " in (tmp_path / "kept here/junit.xml").read_text()
    assert list((tmp_path / "kept here/runs").glob("run_*"))
    assert (tmp_path / "kept here/logs/orchestrator.log").is_file()


def test_action_fails_with_an_annotation_when_the_module_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "modules.yaml").write_text("modules:\n  mine: { url: '${MINE_URL}', ready_timeout_s: 0.1 }\n")
    (tmp_path / "one.json").write_text('{"scenario_id": "x", "modules": ["mine"], "inputs": {}}')
    given = {"module": "mine", "url": "http://127.0.0.1:9", "scenarios": "one.json", "modules_file": "modules.yaml"}
    ran = action(tmp_path, **given)
    assert ran.returncode == 1
    assert "::error title=OpenPolicyStack::mine does not work in the stack" in ran.stdout
    assert "http://127.0.0.1:9" in ran.stdout


@pytest.mark.parametrize(
    ("new_module", "sentence"), [("false", "--ops-add mine=http"), ("true", "in step 'mine'")], ids=["no", "yes"]
)
def test_module_of_a_new_name_is_called_when_the_action_is_told_that_it_is_new(
    module: str, tmp_path: Path, new_module: str, sentence: str
) -> None:
    ran = action(tmp_path, module="mine", url=module, new_module=new_module)
    assert ran.returncode == 1  # this one gives itself another name
    assert sentence in ran.stdout


@pytest.mark.parametrize("given", [{}, {"url": "http://x", "image": "x"}], ids=["none", "both"])
def test_action_takes_either_an_image_or_a_url(given: dict[str, str], tmp_path: Path) -> None:
    ran = action(tmp_path, module="mine", **given)
    assert ran.returncode == 2
    assert "::error title=OpenPolicyStack::give the action either url or image" in ran.stdout


def test_hostile_inputs_of_the_action_are_words_and_no_commands(tmp_path: Path) -> None:
    odd = f"$(touch {tmp_path}/owned)`touch {tmp_path}/owned`; touch {tmp_path}/owned"
    ran = action(tmp_path, module=odd, url=odd, scenarios=odd, modules_file=odd)
    assert ran.returncode
    assert not (tmp_path / "owned").exists()


def test_action_installs_all_that_the_harness_needs_from_its_own_checkout() -> None:
    step = HARNESS.step("Install the stack")
    folders = set(re.findall(r"\$HARNESS(/\.\./\w+)?\"", step["run"]))
    assert folders == {"", "/../contract", "/../orchestrator", "/../stubs"}
    assert all((ROOT / "harness" / f".{folder}" / "pyproject.toml").resolve().is_file() for folder in folders)


@pytest.mark.parametrize("tested", [HARNESS, KIT], ids=["harness", "kit"])
def test_every_input_of_an_action_is_used_and_no_expression_is_part_of_a_script(tested: Action) -> None:
    steps = tested.document["runs"]["steps"]
    assert {f"inputs.{name}" for name in tested.inputs} <= set(expressions(steps))
    assert not [step["name"] for step in steps if expressions(step.get("run", ""))]


def test_workflow_gives_the_actions_inputs_that_there_are_and_runs_no_expression() -> None:
    steps = WORKFLOW["jobs"]["module"]["steps"]
    for name, tested in (("contract", KIT), ("harness", HARNESS)):
        (used,) = (step for step in steps if step.get("uses", "").endswith(f"/{name}@main"))
        assert set(used["with"]) <= set(tested.inputs)
    known = {f"inputs.{name}" for name in WORKFLOW[True]["workflow_call"]["inputs"]}
    known |= {f"steps.compliance.outputs.{name}" for name in KIT.document["outputs"]}
    known |= {f"steps.stack.outputs.{name}" for name in HARNESS.document["outputs"]}
    assert set(expressions(steps)) <= known
    assert not [step for step in steps if expressions(step.get("run", ""))]


def gitlab(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """The script of the template, after its installation."""
    (folder / ".openpolicystack").symlink_to(sys.prefix)
    given = {name: value for name, value in GITLAB["variables"].items() if name != "OPS_PORT"} | variables
    words = ["sh", "-ec", "\n".join(GITLAB["script"])]
    return subprocess.run(words, cwd=folder, env=environment(**given), capture_output=True, text=True, check=False)


def test_gitlab_checks_the_module_and_the_stack(module: str, tmp_path: Path) -> None:
    ran = gitlab(tmp_path, OPS_MODULE=MODULE, OPS_MODULE_URL=module)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    reports = {path.name for path in (tmp_path / "openpolicystack-report").glob("*.*")}
    kit = {f"compliance.{ending}" for ending in ("html", "json", "md", "xml")}
    assert reports == {"badge.svg", *kit, "stack.xml"}
    assert (tmp_path / "openpolicystack-report/compliance.md").read_text() in ran.stdout
    assert '"findings"' not in ran.stdout


def test_gitlab_fails_when_the_module_breaks_the_contract(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text(SCENARIO)
    with service(tmp_path, "ops-stubs", "serve", MODULE, "--violate", "OPS-EXE-002", "--port", "0") as (_, url):
        ran = gitlab(tmp_path, OPS_MODULE=MODULE, OPS_MODULE_URL=url, OPS_SCENARIO="one.json")
    assert ran.returncode == 1
    assert "OPS-EXE-002" in (tmp_path / "openpolicystack-report/compliance.xml").read_text()
    assert "OPS-EXE-002" in ran.stdout


def test_each_line_of_the_template_is_shell() -> None:
    for text in (*GITLAB["before_script"], *GITLAB["script"]):
        assert subprocess.run(["bash", "-n", "-c", text], check=False).returncode == 0
