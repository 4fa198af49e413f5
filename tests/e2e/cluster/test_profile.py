"""The profile `cluster` of compose.yaml: all of it starts, is confined, and outlives its API processes and workers."""

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from api_keys import make_key
from cluster_stack import accepted, address_of, one_that_executes, scenario, url_of, wait_for_api_processes, wait_until_none_is
from compose_stack import COMPOSE_LABEL, Stack
from container_engine import docker, engine
from kubernetes_manifests import configured, pods
from local_service import HTTP, ROOT
from pod_container import started_pod

REPLICAS: Final = {"postgres": 1, "seaweedfs": 1, "stubs": 3, "modules": 1, "api": 2, "worker": 3, "balancer": 1}

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def containers(cluster: Stack) -> list[tuple[str, Any]]:
    """The service and the description of each container."""
    with engine() as client:
        found = client.containers.list(filters={"label": f"{COMPOSE_LABEL}={cluster.project}"})
    return [(container.labels["com.docker.compose.service"], container.attrs) for container in found]


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
    assert (
        HTTP.put(f"http://{address_of(cluster, 'seaweedfs')}:8333/openpolicystack/archive/x", content=b"x").status_code == 403
    )


def test_runs_at_once_find_their_artifacts_at_the_replica_that_made_them(cluster: Stack) -> None:
    wait_for_api_processes(cluster, 2)
    with ThreadPoolExecutor(8) as callers:
        ask = f"{url_of(cluster)}/plan_and_execute"
        answers = callers.map(lambda _: HTTP.post(ask, json=scenario(0.5)).json(), range(8))
    assert [(answer["status"], answer.get("error")) for answer in answers] == [("completed", None)] * 8


def test_runs_of_a_worker_that_is_killed_are_completed_by_others(cluster: Stack) -> None:
    wait_for_api_processes(cluster, 2)
    runs = accepted(cluster, 6, delay_s=3)
    docker("kill", one_that_executes(cluster, runs[0]))
    wait_until_none_is(runs, "queued", "running")
    ended = [HTTP.get(run).json() for run in runs]
    assert [(run["status"], run.get("error")) for run in ended] == [("completed", None)] * 6
    assert ended[0]["attempt"] == 2


@pytest.mark.parametrize("name", ["database-upgrade", "orchestrator", "worker"])
def test_pod_for_kubernetes_does_its_work_beside_the_database_and_the_bucket(cluster: Stack, name: str, tmp_path: Path) -> None:
    pod = dict(pods("cluster"))[name]
    (container,) = pod["spec"]["containers"]
    folders = {"modules": tmp_path / "modules", "api-keys": tmp_path / "keys"}
    tmp_path.chmod(0o755)
    for folder in folders.values():
        folder.mkdir()
    (folders["modules"] / "modules.yaml").write_text(configured("cluster", "modules")["modules.yaml"])
    make_key(folders["api-keys"] / "keys.json", "anna")
    (folders["api-keys"] / "keys.json").chmod(0o444)
    in_compose = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["api"]["environment"]
    secrets = {name: value for name, value in in_compose.items() if name.startswith("AWS_") or name == "OPS_DATABASE_URL"}
    image, network = "openpolicystack-orchestrator:cluster", f"{cluster.project}_default"
    variables = configured("cluster", "settings") | secrets
    with started_pod(pod, image, network, folders, variables) as running:
        if "ports" not in container:
            assert docker("wait", running) == "0", docker("logs", running)
            return
        port = container["ports"][0]["containerPort"]
        for kind in ("livenessProbe", "readinessProbe"):
            wait_until_it_answers(running, port, container[kind]["httpGet"]["path"])


def wait_until_it_answers(container: str, port: int, path: str) -> None:
    """Wait until a container answers itself 200; fails with its log when it ends."""
    words = ["docker", "exec", container, "env", f"OPS_PORT={port}", "answers", path]
    while subprocess.run(words, capture_output=True, check=False).returncode != 0:
        assert docker("inspect", "--format", "{{.State.Running}}", container) == "true", docker("logs", container)


def test_metric_by_which_kubernetes_scales_workers_is_told(cluster: Stack) -> None:
    objects = yaml.safe_load_all((ROOT / "deploy/kubernetes/cluster/availability.yaml").read_text())
    (autoscaler,) = (each for each in objects if each["kind"] == "HorizontalPodAutoscaler")
    metric = autoscaler["spec"]["metrics"][0]["external"]["metric"]
    labels = ",".join(f'{name}="{value}"' for name, value in metric["selector"]["matchLabels"].items())
    assert f"\n{metric['name']}{{{labels}}} " in HTTP.get(f"{url_of(cluster)}/metrics").text


def test_runs_go_on_whichever_api_process_is_gone(cluster: Stack, example: bytes) -> None:
    url, headers = url_of(cluster), {"Content-Type": "application/json"}
    for process in cluster.compose("ps", "--quiet", "api").split():
        wait_for_api_processes(cluster, 2)
        docker("kill", process)
        answers = [HTTP.post(f"{url}/plan_and_execute", content=example, headers=headers).json() for _ in range(3)]
        assert [answer["status"] for answer in answers] == ["completed"] * 3
        docker("start", process)
        # The balancer takes a process for ready as soon as it has an address, until it has looked.
        wait_until_it_answers(process, 8000, "/ready")
