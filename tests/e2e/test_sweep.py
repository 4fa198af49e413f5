import os
from collections.abc import Iterator
from typing import Any

import docker
import pytest
from compose_stack import COMPOSE_LABEL, PROJECT_PREFIX, Stack, sweep

from ops_contract.compliance.targets.image_under_test import LABEL

# Above what Linux gives: never the id of a living process.
DEAD_PID = 2**22 + 1


@pytest.fixture
def leave(stack: Stack) -> Iterator[Any]:
    """Leaves a container of the Compose project of a process, as a killed test session does."""
    client = docker.from_env()
    image = str(client.containers.list(filters={"label": f"{COMPOSE_LABEL}={stack.project}"})[0].attrs["Image"])
    left = []

    def make(pid: int) -> str:
        labels = {COMPOSE_LABEL: f"{PROJECT_PREFIX}{pid}-9"}
        left.append(client.containers.create(image, labels=labels))
        return str(left[-1].id)

    yield make
    for container in left:
        if container.id in {found.id for found in client.containers.list(all=True)}:
            container.remove(force=True)
    client.close()


def containers() -> set[str]:
    client = docker.from_env()
    try:
        return {str(container.id) for container in client.containers.list(all=True)}
    finally:
        client.close()


@pytest.fixture
def kit_network() -> Iterator[Any]:
    """Makes a network of the compliance kit of a process, as a killed check leaves it."""
    client = docker.from_env()
    made = []

    def make(pid: int) -> str:
        made.append(client.networks.create(f"ops-e2e-{pid}-swept", labels={LABEL: f"{pid}-9"}))
        return str(made[-1].id)

    yield make
    for network in client.networks.list(ids=[one.id for one in made]):
        network.remove()
    client.close()


def networks() -> set[str]:
    client = docker.from_env()
    try:
        return {str(network.id) for network in client.networks.list()}
    finally:
        client.close()


def test_sweep_removes_what_a_killed_check_left_and_nothing_of_a_running_one(kit_network: Any) -> None:
    dead, living = kit_network(DEAD_PID), kit_network(os.getpid())
    sweep()
    assert dead not in networks()
    assert living in networks()


def test_sweep_removes_what_a_dead_session_left_and_nothing_of_a_living_one(leave: Any) -> None:
    dead, living = leave(DEAD_PID), leave(os.getpid())
    sweep()
    assert dead not in containers()
    assert living in containers()
