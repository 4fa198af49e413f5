"""The GitHub Action: its shell scripts run here as they stand, on what GitHub would put into their environment."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
import yaml
from github_action import Action, expressions, outputs_in
from local_service import ROOT, service

pytestmark = pytest.mark.slow

KIT: Final = Action(ROOT / "contract/action.yml")
ACTION: Final = KIT.document
STEPS: Final = ACTION["runs"]["steps"]
REPORTS: Final = ("report.json", "report.sarif", "junit.xml", "report.html", "report.md", "badge.svg", "badge.json")


@dataclass(frozen=True)
class Ran:
    """The outcome of the action's steps after its installation."""

    outputs: dict[str, str]
    summary: str
    code: int
    folder: Path
    shown: str


@pytest.fixture(scope="module")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    words = ("ops-stubs", "serve", "monitor", "--violate", "OPS-ART-003,OPS-EXE-007", "--port", "0")
    with service(tmp_path_factory.mktemp("stub"), *words) as (_, url):
        yield url


def run(folder: Path, /, kit: str = str(Path(sys.executable).parent), **given: str) -> Ran:
    """Make the check and conclude; inputs that are not given have their defaults."""
    inputs = KIT.inputs | {name.replace("_", "-"): value for name, value in given.items()}
    checked = KIT.run("Check the module", folder, {f"inputs.{name}": value for name, value in inputs.items()}, kit)
    assert checked.returncode == 0, checked.stderr
    outputs = outputs_in(folder)
    concluded = KIT.run("Conclude", folder, {f"steps.check.outputs.{name}": value for name, value in outputs.items()}, kit)
    summary = (folder / "summary").read_text() if (folder / "summary").exists() else ""
    return Ran(outputs, summary, concluded.returncode, folder, checked.stdout + checked.stderr)


def test_every_expression_names_something_that_is_there() -> None:
    known = {f"inputs.{name}" for name in ACTION["inputs"]} | {"github.action_path", "steps.python.outputs.python-path"}
    written = set(re.findall(r"echo \"([\w-]+)=", KIT.step("Check the module")["run"]))
    known |= {f"steps.check.outputs.{name}" for name in written}
    assert set(expressions(ACTION)) <= known
    assert {f"inputs.{name}" for name in ACTION["inputs"]} <= set(expressions(STEPS))
    assert set(ACTION["outputs"]) == written


def test_usage_in_the_readme_gives_inputs_that_there_are() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "contract/README.md").read_text(), re.DOTALL)
    steps = yaml.safe_load(example)["jobs"]["compliance"]["steps"]
    (used,) = (step for step in steps if "/contract@" in step.get("uses", ""))
    assert set(used["with"]) <= set(ACTION["inputs"])
    assert {one.rpartition(".")[2] for one in expressions(steps)} <= set(ACTION["outputs"])


def test_no_expression_is_a_part_of_a_script() -> None:
    assert not [step["name"] for step in STEPS if expressions(step.get("run", ""))]


def test_installation_takes_the_kit_from_the_action_s_own_folder() -> None:
    step = KIT.step("Install the kit")
    assert step["env"]["KIT"] == "${{ github.action_path }}"
    assert '"${KIT}[kit]"' in step["run"]
    assert subprocess.run(["bash", "-n", "-c", step["run"]], check=False).returncode == 0


def test_broken_module_fails_with_every_report(stub: str, tmp_path: Path) -> None:
    ran = run(tmp_path, url=stub, select="OPS-ART-003\nOPS-EXE-00[67]  OPS-VER-*", report_dir="re ports")
    assert ran.outputs == {"compliant": "false", "exit-code": "1", "report": "re ports"}
    assert ran.code == 1
    assert "OPS-ART-003" in ran.summary
    assert "::error title=monitor%3A OPS-ART-003::" in ran.shown
    assert {path.name for path in (tmp_path / "re ports").iterdir()} == set(REPORTS)
    found = json.loads((tmp_path / "re ports/report.json").read_text())["findings"]
    assert [one["id"] for one in found] == ["OPS-EXE-006", "OPS-EXE-007", "OPS-VER-001", "OPS-VER-002", "OPS-ART-003"]


@pytest.mark.parametrize(("strict", "code"), [("false", 0), ("true", 1)])
def test_strict_lets_warnings_fail(strict: str, code: int, stub: str, tmp_path: Path) -> None:
    ran = run(tmp_path, url=stub, select="OPS-EXE-007", strict=strict)
    assert (ran.outputs["compliant"], ran.code) == (str(code == 0).lower(), code)


def test_time_for_each_answer_is_given_to_the_kit(stub: str, tmp_path: Path) -> None:
    assert run(tmp_path, url=stub, select="OPS-HLT-001", timeout="60").code == 0
    refused = run(tmp_path, url=stub, select="OPS-HLT-001", timeout="0.5")
    assert (refused.code, "--timeout" in refused.shown) == (2, True)


def test_inputs_and_baseline_are_files(stub: str, tmp_path: Path) -> None:
    (tmp_path / "inputs.json").write_text('{"country": "KE"}')
    (tmp_path / "known.txt").write_text("OPS-ART-003  # due in March\n")
    ran = run(tmp_path, url=stub, select="OPS-ART-003", inputs="inputs.json", baseline="known.txt")
    assert ran.code == 0
    assert "failed as expected" in ran.summary
    report = json.loads((tmp_path / "compliance-report/report.json").read_text())
    assert '"country": "KE"' in report["findings"][0]["exchanges"][0]["request_body"]["text"]


def test_module_that_is_not_there_is_exit_code_3(tmp_path: Path) -> None:
    ran = run(tmp_path, url="http://127.0.0.1:9")
    assert (ran.outputs["exit-code"], ran.code) == ("3", 3)
    assert "not reachable" in ran.summary


@pytest.mark.parametrize("given", [{}, {"url": "http://x", "image": "x"}])
def test_neither_or_both_targets_are_a_usage_error(given: dict[str, str], tmp_path: Path) -> None:
    ran = run(tmp_path, **given)
    assert (ran.outputs["compliant"], ran.code) == ("false", 2)
    assert "::error title=OpenPolicyStack compliance::give the action either url or image" in ran.shown


@pytest.fixture
def recorder(tmp_path: Path) -> str:
    """The folder of a kit that only writes down its arguments: the kit's own tests start images."""
    kit = tmp_path / "bin/ops-contract"
    kit.parent.mkdir()
    kit.write_text('#!/bin/bash\nprintf "%s\\0" "$@" >"$RUNNER_TEMP/words"\n')
    kit.chmod(0o755)
    return str(kit.parent)


def test_image_is_started_with_its_command_and_environment(recorder: str, tmp_path: Path) -> None:
    run(tmp_path, recorder, image="my/module:dev", command="serve --fast", env="A=1\nB=two words\n")
    words = (tmp_path / "words").read_text().split("\0")
    assert words[-9:] == ["--image", "my/module:dev", "--command", "serve --fast", "--env", "A=1", "--env", "B=two words", ""]


def test_hostile_inputs_are_words_and_no_commands(recorder: str, tmp_path: Path) -> None:
    odd = f"$(touch {tmp_path}/owned)`touch {tmp_path}/owned`; touch {tmp_path}/owned; --help *"
    run(tmp_path, recorder, url=odd, inputs=odd, select="*", report_dir="a; b")
    words = (tmp_path / "words").read_text().split("\0")
    assert words[-7:] == ["--inputs", odd, "--select", "*", "--", odd, ""]
    assert not (tmp_path / "owned").exists()
