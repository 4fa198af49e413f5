"""The stack file for Swarm, as the engine's client reads it. tests/e2e/test_swarm.py runs it."""

import re
import subprocess
from typing import Any

import pytest
import yaml
from local_service import ROOT, environment
from needed_tool import needed_tool


def configured(**variables: str) -> Any:
    """The services of the stack, with `variables` in the environment."""
    words = [needed_tool("docker", "docker-cli"), "stack", "config", "-c", str(ROOT / "deploy/swarm/stack.yaml")]
    ran = subprocess.run(words, env=environment(**variables), capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return yaml.safe_load(ran.stdout)


def seconds(duration: str) -> int:
    """A duration of Go in whole seconds."""
    parts = re.findall(r"(\d+)([hms])", duration)
    return sum(int(number) * {"h": 3600, "m": 60, "s": 1}[unit] for number, unit in parts)


def test_every_service_is_confined_and_limited() -> None:
    for name, service in configured()["services"].items():
        assert (name, service["user"], service["read_only"], service["cap_drop"]) == (name, "10001:10001", True, ["ALL"])
        assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}, name


def test_one_orchestrator_at_a_time_writes_to_the_volume_of_its_node() -> None:
    deployed = configured()["services"]["orchestrator"]["deploy"]
    assert (deployed["replicas"], deployed["update_config"]["order"]) == (1, "stop-first")
    assert deployed["placement"]["constraints"] == ["node.labels.openpolicystack.runs == yes"]


def test_an_orchestrator_that_drains_or_has_no_room_is_not_replaced() -> None:
    assert configured()["services"]["orchestrator"]["healthcheck"]["test"] == ["CMD", "answers", "/health"]


@pytest.mark.parametrize("variables", [{}, {"OPS_DRAIN_S": "300"}, {"OPS_DRAIN_S": "0", "OPS_STOP_GRACE_S": "20"}])
def test_orchestrator_has_as_long_to_stop_as_its_drain_needs(variables: dict[str, str]) -> None:
    orchestrator = configured(**variables)["services"]["orchestrator"]
    needed = sum(int(orchestrator["environment"][name]) for name in ("OPS_DRAIN_S", "OPS_STOP_GRACE_S")) + 10
    assert seconds(orchestrator["stop_grace_period"]) >= needed


def test_images_are_those_of_this_version_unless_others_are_named() -> None:
    (version,) = re.findall(r"^ARG VERSION=(\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    images = {name: service["image"] for name, service in configured()["services"].items()}
    ours = {name: f"openpolicystack-{name}:{version}" for name in ("orchestrator", "stubs")}
    assert images == {**ours, "modules": "haproxy:3.0"}
    assert configured(OPS_STUBS_IMAGE="other:1")["services"]["stubs"]["image"] == "other:1"


def test_keys_are_a_secret_of_the_swarm_that_the_file_only_names() -> None:
    stack = configured()
    assert stack["secrets"] == {"api-keys": {"name": "openpolicystack-api-keys", "external": True}}
    assert stack["services"]["orchestrator"]["environment"]["OPS_API_KEYS_FILE"] == "/run/secrets/api-keys"
