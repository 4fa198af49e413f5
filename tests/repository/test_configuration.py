"""Files that must agree with each other."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from local_service import MODULES, ROOT, environment, service

from ops_orchestrator.settings import Settings, misspelt_settings
from ops_stubs.catalogue import STUBS

PUBLISHED_REQUEST = {
    "scenario_id": "demo-scenario-001",
    "modules": ["policy-simulator", "strategy-agent"],
    "inputs": {"country": "DR", "time_horizon_years": 5, "policy_parameters": {"vat_rate": 0.18}},
    "run_options": {"seed": 42, "save_artifacts": True},
}


def scripts() -> list[Path]:
    files = (path for folder in (".ci", "orchestrator", "release") for path in (ROOT / folder).iterdir() if path.is_file())
    return sorted(path.relative_to(ROOT) for path in files if path.read_bytes().startswith(b"#!"))


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
    always = {name for name, service in services.items() if "profiles" not in service}
    assert set(registered) == set(STUBS) == set(MODULES) == always - {"orchestrator"}


def test_no_variable_of_this_project_counts_as_a_misspelt_setting() -> None:
    files = [ROOT / "compose.yaml", ROOT / "modules.yaml", ROOT / "Makefile", *(ROOT / path for path in scripts())]
    files += [*(ROOT / "docs").glob("*.md"), ROOT / "stubs" / "README.md", ROOT / "stubs/src/ops_stubs/cli.py"]
    files += [*(ROOT / "deploy").rglob("*.yaml")]
    variables = {name for file in files for name in re.findall(r"\bOPS_[A-Z_]+\b", file.read_text())}
    assert "OPS_PUBLISH" in variables
    assert not [*misspelt_settings(Settings(), dict.fromkeys(variables, "x"))]


@pytest.mark.parametrize("name", MODULES)
def test_compose_gives_the_orchestrator_each_module_s_address_and_digest(name: str) -> None:
    variable = name.upper().replace("-", "_")
    entry = yaml.safe_load((ROOT / "modules.yaml").read_text())["modules"][name]
    environment = orchestrator_environment()
    assert entry["url"].startswith(f"${{{variable}_URL:-")
    assert environment[f"{variable}_URL"] == f"${{{variable}_URL:-http://{name}:8080}}"
    assert entry["image_digest"] == environment[f"{variable}_IMAGE_DIGEST"] == f"${{{variable}_IMAGE_DIGEST:-}}"


def test_compose_passes_on_every_setting_that_means_the_same_inside() -> None:
    # The image decides where things are inside, and Compose mounts what they name; `url` and `api_key` are the command line's.
    # A signing key is mounted by those who have one.
    inside = {"runs_dir", "modules_file", "host", "port", "url", "api_key", "signing_key", "worker_host", "worker_port"}
    assert {f"OPS_{name.upper()}" for name in set(Settings.model_fields) - inside} <= set(orchestrator_environment())


@pytest.mark.parametrize(
    ("folder", "source"),
    [("runs", f"{ROOT}/runs"), ("my/runs", f"{ROOT}/my/runs"), ("./a:b", f"{ROOT}/a:b"), ("~/runs", f"{Path.home()}/runs")],
)
def test_compose_takes_the_run_store_for_a_folder_of_this_machine(folder: str, source: str) -> None:
    orchestrator = composed(OPS_RUNS_DIR=folder)
    assert [volume["source"] for volume in orchestrator["volumes"]] == [source, f"{ROOT}/modules.yaml", f"{ROOT}/api-keys"]


def test_compose_takes_the_modules_file_and_the_digest_from_their_settings() -> None:
    orchestrator = composed(OPS_MODULES_FILE="examples/adapters/modules.yaml", OPS_IMAGE_DIGEST="sha256:x")
    assert orchestrator["volumes"][1]["source"] == f"{ROOT}/examples/adapters/modules.yaml"
    assert orchestrator["environment"]["OPS_IMAGE_DIGEST"] == "sha256:x"


@pytest.mark.parametrize(
    ("variables", "opening"),
    [({}, "127.0.0.1:8000"), ({"OPS_PUBLISH": "8000"}, "8000"), ({"OPS_PUBLISH": "8000", "OPS_OPEN": "yes"}, "yes")],
)
def test_compose_tells_the_service_where_it_is_published_so_that_it_is_open_on_loopback_alone(
    variables: dict[str, str], opening: str
) -> None:
    assert composed(**variables)["environment"]["OPS_OPEN"] == opening


@pytest.mark.parametrize(("path", "code"), [("/ready", 0), ("/other", 1)])
def test_health_check_of_the_images_asks_the_container_itself(path: str, code: int, tmp_path: Path) -> None:
    (script,) = re.findall(r"<<'SCRIPT' /usr/local/bin/answers\n(.*?)\nSCRIPT\n", (ROOT / "Dockerfile").read_text(), re.DOTALL)
    (tmp_path / "ready").touch()
    with service(tmp_path, "python", "-u", "-m", "http.server", "0", "--bind", "127.0.0.1") as (_, url):
        variables = {
            "OPS_PORT": url.rpartition(":")[2].strip("/)"),
            "HTTP_PROXY": "http://127.0.0.1:9",
            "http_proxy": "http://127.0.0.1:9",
        }
        asked = subprocess.run([sys.executable, "-c", script, path], env=environment(**variables), check=False)
    assert asked.returncode == code


def composed(**variables: str) -> Any:
    """The orchestrator's service as Compose understands it, with `variables` in the environment."""
    if shutil.which("docker") is None:
        pytest.skip("Docker is missing; install it to see what Compose makes of the settings")
    words = ["docker", "compose", "--env-file", "/dev/null", "config", "--format", "json"]
    shown = subprocess.run(words, cwd=ROOT, env=environment(**variables), capture_output=True, check=True)
    return json.loads(shown.stdout)["services"]["orchestrator"]


def test_distributions_share_version_licence_and_python() -> None:
    projects = [distribution(name) for name in ("contract", "harness", "orchestrator", "stubs")]
    assert len({(project["version"], project["license"], project["requires-python"]) for project in projects}) == 1
    assert projects[0]["license"] == "EUPL-1.2"
    assert (ROOT / "LICENSE").read_text().startswith("EUROPEAN UNION PUBLIC LICENCE v. 1.2")


def test_one_version_of_uv_is_pinned_everywhere() -> None:
    texts = [(ROOT / name).read_text() for name in ("Makefile", "Dockerfile")]
    pinned = {version for text in texts for version in re.findall(r"uv==([\d.]+)", text)}
    assert len(pinned) == 1


def test_dockerfiles_take_the_base_as_an_argument_and_pull_no_frontend() -> None:
    for name in ("Dockerfile", "deploy/cluster/Dockerfile", "contract/src/ops_contract/compliance/starters/python/Dockerfile"):
        text = (ROOT / name).read_text()
        assert "ARG PYTHON_IMAGE=python:3.13-slim-trixie\n" in text
        stages = re.findall(r"^FROM (\S+)(?: AS (\S+))?$", text, re.MULTILINE)
        assert {base for base, _ in stages} - {stage for _, stage in stages} <= {"${PYTHON_IMAGE}", "scratch"}
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


@pytest.mark.parametrize(("mark", "variable"), [("e2e", "E2E"), ("proof", "PROOFS")])
def test_make_looks_for_tests_with_a_mark_where_all_of_them_are(mark: str, variable: str) -> None:
    (folder,) = re.findall(rf"^{variable} := (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    marked = [path for path in (ROOT / "tests").rglob("*.py") if re.search(rf"\bmark\.{mark}\b", path.read_text())]
    assert marked
    assert [path for path in marked if not path.is_relative_to(ROOT / folder)] == []
