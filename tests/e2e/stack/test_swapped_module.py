import os
import subprocess
from collections.abc import Iterator

import pytest
from compose_stack import MakeStack, Stack
from container_engine import build, docker
from local_service import MODULES, ROOT

from ops_stubs import __version__

IMAGE = f"ops-e2e-{os.getpid()}-team-module:latest"
SWAP = "examples/swap-policy-simulator.yaml"


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    yield build(IMAGE, ROOT / "tests/e2e/team_module")
    docker("rmi", "--force", IMAGE)


@pytest.fixture(scope="module")
def swapped(stack: Stack, make_stack: MakeStack, image: str) -> Iterator[Stack]:
    """As much of the stack as the example needs, with the policy simulator's image swapped as the README says."""
    assert stack.project  # built first, so that the other stubs are the same images
    services = ["orchestrator", "policy-simulator", "strategy-agent"]
    with make_stack(SWAP, services=services, MODULE_IMAGE=image, POLICY_SIMULATOR_IMAGE_DIGEST="sha256:team") as made:
        yield made


def test_team_s_image_takes_the_stub_s_place_and_the_rest_stays(swapped: Stack, example: bytes) -> None:
    answer = swapped.post(example).json()
    assert answer["status"] == "completed", answer
    assert answer["results"]["policy-simulator"] == {"kpis": {"gdp_growth": 0.99}, "artifacts": []}
    record = swapped.get(f"/runs/{answer['run_id']}")
    assert [step["module_version"] for step in record["steps"]] == ["9.9.9-team", __version__]
    assert record["steps"][0]["image_digest"] == "sha256:team"
    assert "99.0 %" in (swapped.runs / answer["run_id"] / "artifacts/strategy-agent/brief.md").read_text()


def test_swapped_container_keeps_the_hardening(swapped: Stack) -> None:
    service = swapped.get_config()["services"]["policy-simulator"]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert "build" not in service


def test_image_digests_name_the_image_that_was_swapped_in(stack: Stack, image: str) -> None:
    assert stack.project  # every image is there
    variables = {**os.environ, "MODULE_IMAGE": image, "COMPOSE_FILE": f"compose.yaml{os.pathsep}{SWAP}"}
    words = [ROOT / "orchestrator" / "image-digests"]
    printed = subprocess.run(words, check=True, capture_output=True, text=True, cwd=ROOT, env=variables).stdout
    digests = dict(line.removeprefix("export ").split("=") for line in printed.splitlines())
    assert digests["POLICY_SIMULATOR_IMAGE_DIGEST"] == docker("image", "inspect", "--format", "{{.Id}}", image)
    assert len(digests) == len(MODULES) + 1
