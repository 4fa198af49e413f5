"""`ops up --with`: a team's module goes from its folder into the stack, once it follows the contract."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import docker
import httpx2
import pytest
from compose_stack import COMPOSE_LABEL, PROJECT_PREFIX, ROOT
from local_service import command, environment

PROJECT: Final = f"{PROJECT_PREFIX}{os.getpid()}-up"
SOME_UID: Final = 4242
TEAM_MODULE: Final = Path(__file__).parent / "team_module"


def build(folder: Path, tag: str) -> str:
    base = ["--build-arg", f"PYTHON_IMAGE={image}"] if (image := os.environ.get("PYTHON_IMAGE")) else []
    ca = ["--secret", f"id=ca_bundle,src={bundle}"] if (bundle := os.environ.get("CA_BUNDLE")) else []
    subprocess.run(["docker", "build", "--quiet", "--tag", tag, *base, *ca, str(folder)], check=True, timeout=300)
    return tag


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The image of a module that a team has just started."""
    folder = tmp_path_factory.mktemp("team") / "policy-simulator"
    subprocess.run([command("ops-contract"), "init", "--lang", "python", str(folder)], check=True, timeout=30)
    yield build(folder, f"{PROJECT}-module:latest")
    subprocess.run(["docker", "rmi", "--force", f"{PROJECT}-module:latest"], check=True, timeout=60)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    if os.getuid() == 0:
        os.chown(tmp_path, SOME_UID, SOME_UID)
    return tmp_path


@pytest.fixture
def told(runs: Path) -> Iterator[dict[str, str]]:
    """The environment of the stack under test, which is gone at the end."""
    variables = environment(COMPOSE_PROJECT_NAME=PROJECT, OPS_PUBLISH="127.0.0.1:0", OPS_RUNS_DIR=str(runs))
    yield variables
    down = ["docker", "compose", "down", "--remove-orphans", "--timeout", "2"]
    subprocess.run(down, cwd=ROOT, env=variables, check=True, capture_output=True, timeout=120)


def up(told: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    line = [command("ops"), "up", *words]
    return subprocess.run(line, cwd=ROOT, env=told, capture_output=True, text=True, timeout=400, check=False)


def running() -> list[str]:
    client = docker.from_env()
    try:
        return [str(one.name) for one in client.containers.list(all=True, filters={"label": f"{COMPOSE_LABEL}={PROJECT}"})]
    finally:
        client.close()


def test_module_is_checked_shown_beside_its_stub_and_swapped_in(told: dict[str, str], image: str, example: bytes) -> None:
    ran = up(told, "--with", f"policy-simulator={image}")
    assert ran.returncode == 0, ran.stderr
    assert '"compliant": true' in ran.stdout
    assert '"name": "/vat_revenue/final_share_of_gdp"' in ran.stdout  # an output that the stub has not
    url = re.findall(r"ready at (http://\S+)", ran.stderr)[0]
    answer = httpx2.post(f"{url}/plan_and_execute", content=example, headers={"Content-Type": "application/json"}, timeout=60)
    assert set(answer.json()["results"]["policy-simulator"]) == {"vat_revenue", "artifacts"}
    record = httpx2.get(f"{url}/runs/{answer.json()['run_id']}").json()
    assert record["steps"][0]["image_digest"].startswith("sha256:")


def test_module_that_breaks_the_contract_is_not_swapped_in(told: dict[str, str]) -> None:
    broken = build(TEAM_MODULE, f"{PROJECT}-broken:latest")
    ran = up(told, "--with", f"policy-simulator={broken}")
    subprocess.run(["docker", "rmi", "--force", broken], check=True, timeout=60)
    assert ran.returncode == 1
    assert ran.stderr.splitlines()[-1].endswith("was not swapped in; mend what is named above, or say --anyway")
    assert '"compliant": false' in ran.stdout
    assert "it listens on 8080 whatever OPS_PORT says" in ran.stdout
    assert running() == []


def test_module_of_another_name_is_not_swapped_in(told: dict[str, str], image: str) -> None:
    ran = up(told, "--with", f"monitor={image}")
    assert ran.returncode == 1
    assert "calls itself 'policy-simulator', and the stack would call it 'monitor'" in ran.stderr
    assert running() == []
