"""The profile `cluster` of compose.yaml: what it is made of starts, is confined, and its balancer outlives an API process."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest
from compose_stack import COMPOSE_LABEL, MakeStack, Stack
from container_engine import docker, engine
from local_service import HTTP

# `--no-deps`, since what they depend on is the job that prepares the database.
SERVICES: Final = ["--no-deps", "postgres", "seaweedfs", "stubs", "modules", "api", "balancer"]
REPLICAS: Final = {"postgres": 1, "seaweedfs": 1, "stubs": 3, "modules": 1, "api": 2, "balancer": 1}


@pytest.fixture(scope="module")
def cluster(make_stack: MakeStack) -> Iterator[Stack]:
    profile = {"COMPOSE_PROFILES": "cluster", "OPS_CLUSTER_PUBLISH": "127.0.0.1:0"}
    with make_stack(build=True, services=SERVICES, **profile) as stack:
        yield stack


@pytest.fixture(scope="module")
def containers(cluster: Stack) -> list[tuple[str, Any]]:
    """The service and the description of each container."""
    with engine() as client:
        found = client.containers.list(filters={"label": f"{COMPOSE_LABEL}={cluster.project}"})
    return [(container.labels["com.docker.compose.service"], container.attrs) for container in found]


def url_of(cluster: Stack) -> str:
    return f"http://{cluster.compose('port', 'balancer', '8000').strip()}"


def psql(cluster: Stack, sentence: str, password: str = "only-for-trying") -> str:  # noqa: S107  # for trying
    """What PostgreSQL answers over the network of the stack, as its only user."""
    address = f"postgresql://openpolicystack:{password}@postgres/openpolicystack"
    return cluster.compose("exec", "-T", "postgres", "psql", "--quiet", "--tuples-only", "--command", sentence, address)


def test_every_service_has_its_replicas(containers: list[tuple[str, Any]]) -> None:
    services = [service for service, _ in containers]
    assert {service: services.count(service) for service in services} == REPLICAS


def test_every_container_is_an_ordinary_user_without_capabilities_on_a_read_only_root(
    containers: list[tuple[str, Any]],
) -> None:
    for service, attrs in containers:
        host = attrs["HostConfig"]
        assert (service, host["ReadonlyRootfs"], host["CapDrop"]) == (service, True, ["ALL"])
        status = docker("exec", attrs["Id"], "cat", "/proc/1/status")
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert "0" not in fields["Uid"].split(), service
        assert (service, fields["CapEff"], fields["NoNewPrivs"]) == (service, "0000000000000000", "1")


def test_balancer_alone_is_published_and_only_on_loopback(containers: list[tuple[str, Any]]) -> None:
    published = {
        (service, binding["HostIp"])
        for service, attrs in containers
        for bindings in attrs["NetworkSettings"]["Ports"].values()
        for binding in bindings or ()
    }
    assert published == {("balancer", "127.0.0.1")}


def test_database_asks_for_the_password_and_keeps_what_it_has_when_it_is_started_again(cluster: Stack) -> None:
    with pytest.raises(AssertionError, match="password authentication failed"):
        psql(cluster, "SELECT 1", password="wrong")  # noqa: S106  # not even that
    psql(cluster, "CREATE TABLE kept (number int)")
    cluster.compose("restart", "postgres")
    cluster.compose("up", "--detach", "--wait", "--no-deps", "postgres")
    assert psql(cluster, "SELECT count(*) FROM kept").strip() == "0"


def test_bucket_refuses_who_has_no_keys(cluster: Stack) -> None:
    container = cluster.compose("ps", "--quiet", "seaweedfs").strip()
    address = docker("inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", container)
    assert HTTP.put(f"http://{address}:8333/openpolicystack/archive/x", content=b"x").status_code == 403


def test_runs_at_once_find_their_artifacts_at_the_replica_that_made_them(cluster: Stack) -> None:
    inputs = {"country": "DO", "__stub_delay_s": 0.5}
    scenario = {"scenario_id": "cluster", "modules": ["data-layer", "supplychain-risk"], "inputs": inputs}
    with ThreadPoolExecutor(8) as callers:
        answers = callers.map(lambda _: HTTP.post(f"{url_of(cluster)}/plan_and_execute", json=scenario).json(), range(8))
    assert [(answer["status"], answer.get("error")) for answer in answers] == [("completed", None)] * 8


def wait_for_api_processes(cluster: Stack, number: int) -> None:
    """Wait until the balancer sees as many."""
    ask = "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:8405/').read().decode())"
    while int(cluster.compose("exec", "-T", "balancer", "python3", "-c", ask)) != number:
        pass


def test_runs_go_on_whichever_api_process_is_gone(cluster: Stack, example: bytes) -> None:
    url, headers = url_of(cluster), {"Content-Type": "application/json"}
    for process in cluster.compose("ps", "--quiet", "api").split():
        wait_for_api_processes(cluster, 2)
        docker("kill", process)
        answers = [HTTP.post(f"{url}/plan_and_execute", content=example, headers=headers).json() for _ in range(3)]
        assert [answer["status"] for answer in answers] == ["completed"] * 3
        docker("start", process)
