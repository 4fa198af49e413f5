import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from compose_stack import ROOT, Stack

IMAGE = "ops-e2e-team-module:latest"
TEAM_MODULE = Path(__file__).parent / "team_module"


@pytest.fixture(scope="module")
def swapped(stack: Stack, start_stack: Any) -> Iterator[Stack]:
    """The shipped stack with the policy simulator's image swapped, as the README says."""
    assert stack.project  # built first, so that the other stubs are the same images
    base = ["--build-arg", f"PYTHON_IMAGE={image}"] if (image := os.environ.get("PYTHON_IMAGE")) else []
    subprocess.run(["docker", "build", "--quiet", "--tag", IMAGE, *base, str(TEAM_MODULE)], check=True, timeout=120)
    yield start_stack("examples/swap-policy-simulator.yaml", MODULE_IMAGE=IMAGE, POLICY_SIMULATOR_IMAGE_DIGEST="sha256:team")
    subprocess.run(["docker", "rmi", "--force", IMAGE], check=True, capture_output=True, timeout=60)


def test_team_s_image_takes_the_stub_s_place_and_the_rest_stays(swapped: Stack, example: bytes) -> None:
    answer = swapped.post(example).json()
    assert answer["status"] == "completed", answer
    assert answer["results"]["policy-simulator"] == {"kpis": {"gdp_growth": 0.99}, "artifacts": []}
    record = swapped.get(f"/runs/{answer['run_id']}")
    assert [step["module_version"] for step in record["steps"]] == ["9.9.9-team", "0.1.0"]
    assert record["steps"][0]["image_digest"] == "sha256:team"
    assert "99.0 %" in (swapped.runs / answer["run_id"] / "artifacts/strategy-agent/brief.md").read_text()


def test_swapped_container_keeps_the_hardening(swapped: Stack) -> None:
    service = swapped.get_config()["services"]["policy-simulator"]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert "build" not in service


def test_image_digests_name_the_image_that_was_swapped_in(swapped: Stack) -> None:
    files = f"compose.yaml{os.pathsep}examples/swap-policy-simulator.yaml"
    told = subprocess.run(
        [ROOT / "orchestrator" / "image-digests"],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        env={**os.environ, **swapped.environment, "COMPOSE_FILE": files},
    ).stdout
    digests = dict(line.removeprefix("export ").split("=") for line in told.splitlines())
    inspected = subprocess.run(
        ["docker", "image", "inspect", "--format", "{{.Id}}", IMAGE], check=True, capture_output=True, text=True
    )
    assert digests["POLICY_SIMULATOR_IMAGE_DIGEST"] == inspected.stdout.strip()
    assert len(digests) == 7
