"""Files that must agree with each other."""

import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from local_service import MODULES, ROOT

from ops_orchestrator.settings import Settings
from ops_stubs.catalogue import STUBS

PUBLISHED_REQUEST = {
    "scenario_id": "demo-scenario-001",
    "modules": ["policy-simulator", "strategy-agent"],
    "inputs": {"country": "DR", "time_horizon_years": 5, "policy_parameters": {"vat_rate": 0.18}},
    "run_options": {"seed": 42, "save_artifacts": True},
}


def scripts() -> list[Path]:
    files = (path for folder in (".ci", "orchestrator") for path in (ROOT / folder).iterdir() if path.is_file())
    return sorted(path.relative_to(ROOT) for path in files if not path.suffix)


def orchestrator_environment() -> dict[str, str]:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    environment: dict[str, str] = services["orchestrator"]["environment"]
    return environment


def distribution(name: str) -> Any:
    return tomllib.loads((ROOT / name / "pyproject.toml").read_text())["project"]


def test_first_example_is_the_published_request() -> None:
    assert json.loads((ROOT / "examples/plan_and_execute.request.json").read_bytes()) == PUBLISHED_REQUEST


def test_every_stub_is_registered_and_in_the_stack() -> None:
    registered = yaml.safe_load((ROOT / "modules.yaml").read_text())["modules"]
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    assert set(registered) == set(STUBS) == set(MODULES) == set(services) - {"orchestrator"}


@pytest.mark.parametrize("name", MODULES)
def test_compose_gives_the_orchestrator_each_module_s_address_and_digest(name: str) -> None:
    variable = name.upper().replace("-", "_")
    entry = yaml.safe_load((ROOT / "modules.yaml").read_text())["modules"][name]
    environment = orchestrator_environment()
    assert entry["url"].startswith(f"${{{variable}_URL:-")
    assert environment[f"{variable}_URL"] == f"${{{variable}_URL:-http://{name}:8080}}"
    assert entry["image_digest"] == environment[f"{variable}_IMAGE_DIGEST"] == f"${{{variable}_IMAGE_DIGEST:-}}"


def test_compose_passes_on_every_setting_that_means_the_same_inside() -> None:
    # The image decides where things are inside; `url` is the command line's.
    inside = {"runs_dir", "modules_file", "host", "port", "url"}
    assert {f"OPS_{name.upper()}" for name in set(Settings.model_fields) - inside} <= set(orchestrator_environment())


def test_distributions_share_version_licence_and_python() -> None:
    projects = [distribution(name) for name in ("contract", "orchestrator", "stubs")]
    assert len({(project["version"], project["license"], project["requires-python"]) for project in projects}) == 1
    assert projects[0]["license"] == "EUPL-1.2"
    assert (ROOT / "LICENSE").read_text().startswith("EUROPEAN UNION PUBLIC LICENCE v. 1.2")


def test_one_version_of_uv_is_pinned_everywhere() -> None:
    texts = [(ROOT / name).read_text() for name in ("Makefile", "Dockerfile")]
    pinned = {version for text in texts for version in re.findall(r"uv==([\d.]+)", text)}
    assert len(pinned) == 1


def test_dockerfiles_take_the_base_as_an_argument_and_pull_no_frontend() -> None:
    for name in ("Dockerfile", "contract/src/ops_contract/compliance/starters/python/Dockerfile"):
        text = (ROOT / name).read_text()
        assert "ARG PYTHON_IMAGE=python:3.13-slim-trixie\n" in text
        stages = re.findall(r"^FROM (\S+)(?: AS (\S+))?$", text, re.MULTILINE)
        assert {base for base, _ in stages} - {stage for _, stage in stages} == {"${PYTHON_IMAGE}"}
        assert "# syntax=" not in text


@pytest.mark.parametrize("script", scripts(), ids=str)
def test_script_is_executable_and_parses(script: Path) -> None:
    shell, *_ = (ROOT / script).read_text().removeprefix("#!").splitlines()
    assert (ROOT / script).stat().st_mode & 0o111
    assert subprocess.run([*shell.split(), "-n", script], cwd=ROOT, check=False).returncode == 0


def test_runs_are_ignored_by_git_and_their_folder_is_not() -> None:
    def ignored(path: str) -> bool:
        return subprocess.run(["git", "check-ignore", "-q", path], cwd=ROOT, check=False).returncode == 0

    assert ignored("runs/run_2026-01-09T12-34-56Z_ab12cd/run.json")
    assert not ignored("runs/README.md")
