"""`ops up --with`: a team's module goes from its folder into the stack, once it follows the contract."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from compose_stack import COMPOSE_LABEL, PROJECT_PREFIX
from container_engine import build, docker, engine, own_by_some_user
from local_service import HTTP, ROOT, command, environment

from ops_harness.containers import removed_by

PROJECT: Final = f"{PROJECT_PREFIX}{os.getpid()}-up"


@pytest.fixture(scope="module")
def broken() -> Iterator[str]:
    """The image of a module that does not follow the contract."""
    yield build(f"{PROJECT}-broken:latest", Path(__file__).parent / "team_module")
    docker("rmi", "--force", f"{PROJECT}-broken:latest")


@pytest.fixture
def variables(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of the stack under test, which is gone at the end."""
    runs = own_by_some_user(tmp_path)
    variables = environment(COMPOSE_PROJECT_NAME=PROJECT, OPS_PUBLISH="127.0.0.1:0", OPS_RUNS_DIR=str(runs))
    with removed_by("docker", "compose", "--project-name", PROJECT, "down", "--remove-orphans", "--timeout", "0"):
        yield variables


def up(variables: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    line = [command("ops"), "up", *words]
    return subprocess.run(line, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)


def containers() -> list[str]:
    with engine() as client:
        return [
            str(one.name)
            for one in client.containers.list(all=True, ignore_removed=True, filters={"label": f"{COMPOSE_LABEL}={PROJECT}"})
        ]


def test_module_is_checked_shown_beside_its_stub_and_swapped_in(
    variables: dict[str, str], team_image: str, example: bytes
) -> None:
    ran = up(variables, "--with", f"policy-simulator={team_image}")
    assert ran.returncode == 0, ran.stderr
    assert '"compliant": true' in ran.stdout
    assert " differ in output (" in ran.stdout  # the stub has others
    assert f"at length: ops-contract compare stub:policy-simulator image:{team_image}" in ran.stdout.splitlines()
    url = re.findall(r"ready at (http://\S+)", ran.stderr)[0]
    answer = HTTP.post(f"{url}/plan_and_execute", content=example, headers={"Content-Type": "application/json"}).json()
    assert answer["status"] == "completed", answer
    assert set(answer["results"]["policy-simulator"]["kpis"]) == {"vat_revenue"}
    record = HTTP.get(f"{url}/runs/{answer['run_id']}").json()
    assert record["steps"][0]["image_digest"].startswith("sha256:")
    (listed,) = [one for one in HTTP.get(f"{url}/modules").json()["modules"] if one["name"] == "policy-simulator"]
    assert (listed["compliance"]["state"], "stale" in listed["compliance"]) == ("compliant", False)


def test_module_that_breaks_the_contract_is_not_swapped_in(variables: dict[str, str], broken: str) -> None:
    ran = up(variables, "--with", f"policy-simulator={broken}")
    assert ran.returncode == 1
    assert f"{broken} was not swapped in" in ran.stderr.splitlines()[-1]
    assert '"compliant": false' in ran.stdout
    assert "it listens on 8080 whatever OPS_PORT says" in ran.stdout
    assert containers() == []


def test_module_of_another_name_is_not_swapped_in(variables: dict[str, str], team_image: str) -> None:
    ran = up(variables, "--with", f"monitor={team_image}")
    assert ran.returncode == 1
    assert "calls itself 'policy-simulator', and the stack would call it 'monitor'" in ran.stderr
    assert f"write --with policy-simulator={team_image}" in ran.stderr
    assert ran.stdout == ""  # nothing else was checked
    assert containers() == []
