"""The packages as whoever installs them gets them: wheels in an environment that has nothing of this repository."""

import re
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Final

import pytest
import yaml
from installed_packages import UV, Installation, build_wheels
from local_service import ROOT
from team_repository import TeamRepository

pytestmark = pytest.mark.slow

NAMES: Final = ("contract", "harness", "orchestrator", "stubs")
DOCUMENTS: Final = (
    "README.md",
    *(f"{name}/README.md" for name in NAMES),
    "docs/modules.md",
    "docs/record.md",
    "examples/modules/README.md",
)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    folder = tmp_path_factory.mktemp("environment") / "venv"
    subprocess.run([UV, "venv", str(folder), "--quiet"], cwd=ROOT, check=True)
    made = Installation(folder, build_wheels(tmp_path_factory.mktemp("wheels")))
    ran = made.pip("openpolicystack-harness", "openpolicystack-contract[kit]")
    assert ran.returncode == 0, ran.stderr
    return made


def test_module_is_checked_in_the_stack_with_what_was_installed(installation: Installation, tmp_path: Path) -> None:
    ran = installation.run("python", "-m", "pytest", "--pyargs", "ops_harness.stack_checks", cwd=tmp_path)
    assert "1 passed" in ran.stdout, ran.stdout
    assert str(ROOT) not in ran.stdout


@pytest.mark.parametrize("command", ["ops", "ops-stubs", "ops-contract"])
def test_command_was_installed(installation: Installation, command: str, tmp_path: Path) -> None:
    ran = installation.run(command, "--version", cwd=tmp_path)
    assert (ran.returncode, ran.stdout.split()[-1]) == (0, version("openpolicystack-contract"))


def test_containers_are_an_extra_that_is_named_when_it_is_missing(installation: Installation, tmp_path: Path) -> None:
    TeamRepository(tmp_path).write({"test_it.py": "def test_it(ops_stack): pass"})
    ran = installation.run("python", "-m", "pytest", "--ops-containers", cwd=tmp_path)
    assert "install openpolicystack-harness[containers]" in ran.stdout


@pytest.mark.parametrize("document", DOCUMENTS)
def test_pip_lines_of_the_document_can_be_installed(installation: Installation, document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    for line in re.findall(r"pip install ([^`\n|]+?)(?: && [^`\n|]+)?(?:`|\n|$)", text):
        words = [word.strip("'\"") for word in line.split()]
        folder = ROOT / "contract/src/ops_contract/compliance/starters/python"
        words = [str(folder / word) if word == "requirements.txt" else word for word in words]
        ran = installation.pip("--dry-run", *words)
        assert ran.returncode == 0, f"pip install {line}: {ran.stderr}"


@pytest.mark.parametrize(("name", "text", "code"), [("good", "{}", 1), ("good", None, 0)], ids=["wrong", "right"])
def test_hook_before_a_commit_validates_the_files_that_it_names(
    installation: Installation, name: str, text: str | None, code: int, tmp_path: Path
) -> None:
    (block,) = re.findall(r"^```yaml\n(repos:.*?)^```", (ROOT / "harness/README.md").read_text(), re.DOTALL | re.MULTILINE)
    (hook,) = yaml.safe_load(block)["repos"][0]["hooks"]
    (tmp_path / "scenarios").mkdir()
    scenario = text or (ROOT / "examples/baseline.json").read_text()
    for path, content in ((f"scenarios/{name}.json", scenario), ("modules.yaml", (ROOT / "modules.yaml").read_text())):
        (tmp_path / path).write_text(content)
    staged = [
        str(path.relative_to(tmp_path))
        for path in tmp_path.rglob("*.*")
        if re.search(hook["files"], str(path.relative_to(tmp_path)))
    ]
    ran = installation.run(*hook["entry"].split(), *staged, cwd=tmp_path)
    assert len(staged) == 2
    assert (ran.returncode == 0) == (code == 0), ran.stdout + ran.stderr
