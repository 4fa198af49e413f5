import os
from collections.abc import Iterator
from typing import Any

import docker
import pytest
from compose_stack import sweep
from container_engine import PYTHON_IMAGE, engine

from ops_contract.compliance.targets.image_under_test import LABEL

# Above what Linux gives: never the id of a living process.
DEAD_PID = 2**22 + 1


@pytest.fixture
def client() -> Iterator[docker.DockerClient]:
    with engine() as client:
        yield client


@pytest.fixture
def left_behind(client: docker.DockerClient) -> Iterator[dict[int, list[Any]]]:
    """A container and a network of the kit: of a process that was killed, and of this one."""
    made = {pid: [container_of(client, pid), network_of(client, pid)] for pid in (DEAD_PID, os.getpid())}
    yield made
    there = ids(client)
    for one in (one for pair in made.values() for one in pair if one.id in there):
        one.remove()


def container_of(client: docker.DockerClient, pid: int) -> Any:
    return client.containers.create(PYTHON_IMAGE, labels={LABEL: f"{pid}-9"})


def network_of(client: docker.DockerClient, pid: int) -> Any:
    return client.networks.create(f"ops-e2e-{pid}-swept", labels={LABEL: f"{pid}-9"})


def ids(client: docker.DockerClient) -> set[str]:
    return {str(one.id) for one in (*client.containers.list(all=True, ignore_removed=True), *client.networks.list())}


def test_sweep_removes_what_a_killed_process_left_and_nothing_of_a_running_one(
    client: docker.DockerClient, left_behind: dict[int, list[Any]]
) -> None:
    sweep()
    there = ids(client)
    assert {pid: [one.id in there for one in made] for pid, made in left_behind.items()} == {
        DEAD_PID: [False, False],
        os.getpid(): [True, True],
    }
