"""deploy/swarm/stack.yaml on a swarm of one node: scaled, and with tasks that are killed."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from subprocess import DEVNULL
from typing import Any, Final

import httpx2
import pytest
from api_keys import bearer, make_key
from compose_stack import PROJECT_PREFIX
from container_engine import build, docker
from local_service import HTTP, ROOT, environment

from ops_harness.containers import removed_by

NAME: Final = f"{PROJECT_PREFIX}{os.getpid()}-swarm"
PAGE: Final = (ROOT / "docs/deploying.md").read_text()
IMAGES: Final = {target: f"{NAME}-{target}:latest" for target in ("orchestrator", "stubs", "haproxy")}
# $1 is the name of all that is removed. A volume is free when the last container has gone.
REMOVAL: Final = """
docker stack rm --detach=false "$1"
docker secret rm "$1"
docker node update --label-rm openpolicystack.runs "$(docker info --format '{{.Swarm.NodeID}}')"
for _ in $(seq 100); do docker volume inspect "$1_runs" || break; docker volume rm "$1_runs" || sleep 0.2; done
docker rmi --force "$1-orchestrator:latest" "$1-stubs:latest" "$1-haproxy:latest"
"""
# An engine that leaves a swarm forgets the names of all containers in all networks. So it leaves when the session with the
# process $1 is over, and stays when containers run that are none of ours.
LEAVING: Final = """(
while kill -0 "$1"; do sleep 0.2; done
[ -n "$(docker ps --quiet)" ] || { docker swarm leave --force; docker network rm docker_gwbridge; }
) &"""

pytestmark = pytest.mark.timeout(300)


@dataclass(frozen=True)
class Swarm:
    """The stack, at `url`, asked with a key that may run."""

    url: str
    header: dict[str, str]

    def wait_until_ready(self) -> None:
        """Wait until the orchestrator answers, whichever task it is."""
        while True:
            with suppress(httpx2.TransportError):
                if HTTP.get(f"{self.url}/ready").status_code == 200:
                    return
            time.sleep(0.1)

    def start(self, delay_s: float) -> str:
        """The id of a run of two modules that each take as long."""
        inputs = {"country": "DO", "__stub_delay_s": delay_s}
        scenario = {"scenario_id": "swarm", "modules": ["data-layer", "monitor"], "inputs": inputs}
        headers = {**self.header, "Prefer": "respond-async"}
        started = HTTP.post(f"{self.url}/plan_and_execute", json=scenario, headers=headers)
        return str(started.raise_for_status().json()["run_id"])

    def record(self, run_id: str) -> Any:
        """The run as it is now."""
        return HTTP.get(f"{self.url}/runs/{run_id}", headers=self.header).raise_for_status().json()

    def wait_until_over(self, run_id: str) -> Any:
        """The run when it is neither queued nor running."""
        while (record := self.record(run_id))["status"] in ("queued", "running"):
            time.sleep(0.1)
        return record


@contextmanager
def swarm_mode() -> Iterator[None]:
    """An engine in swarm mode, and a node that may hold the runs; at the end everything of this test is removed."""
    with removed_by("sh", "-c", REMOVAL, "sh", NAME):
        if docker("info", "--format", "{{.Swarm.LocalNodeState}}") == "inactive":
            # The engine's own choice of addresses, 10.0.0.0, is often that of the machine's network.
            addresses = ("--default-addr-pool", "10.229.0.0/16", "--advertise-addr", "127.0.0.1", "--listen-addr", "127.0.0.1")
            docker("swarm", "init", *addresses)
            leave_after_the_session()
        node = docker("info", "--format", "{{.Swarm.NodeID}}")
        docker(*from_page("docker node update", NODE=node))
        yield


def leave_after_the_session() -> None:
    """Let a process of its own leave the swarm, however the session ends."""
    session = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
    words = ["sh", "-c", LEAVING, "sh", str(session)]
    subprocess.run(words, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL, start_new_session=True, check=True)


@pytest.fixture(scope="module")
def swarm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Swarm]:
    """The stack as the page deploys it, with images of this tree."""
    keys = tmp_path_factory.mktemp("keys") / "keys.json"
    token = make_key(keys, "tests")
    variables = {"OPS_PUBLISHED_PORT": str(free_port()), "OPS_API_KEYS_SECRET": NAME, "OPS_MODULES_CONFIG": NAME}
    variables |= {f"OPS_{target.upper()}_IMAGE": tag for target, tag in IMAGES.items()} | {"OPS_DRAIN_S": "0"}
    with swarm_mode():
        for target, tag in IMAGES.items():
            build(tag, ROOT / "deploy/cluster" if target == "haproxy" else ROOT, "--target", target)
        docker(*from_page("docker secret create", **{"openpolicystack-api-keys": NAME, "api-keys/keys.json": str(keys)}))
        deploy(variables)
        stack = Swarm(f"http://127.0.0.1:{variables['OPS_PUBLISHED_PORT']}", bearer(token))
        stack.wait_until_ready()
        yield stack


def from_page(command: str, **replaced: str) -> list[str]:
    """The words behind `docker` of the page's only command that begins like this, some of them replaced."""
    (line,) = (line.partition(" # ")[0] for line in PAGE.splitlines() if line.startswith(command))
    return [replaced.get(word, word) for word in line.split()[1:]]


def deploy(variables: dict[str, str]) -> None:
    stack, command, *rest = from_page("docker stack deploy", openpolicystack=NAME)
    here = ["--detach=true", "--resolve-image", "never"]  # the images are in no registry
    words = ["docker", stack, command, *here, *rest]
    ran = subprocess.run(words, cwd=ROOT, env=environment(**variables), capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def free_port() -> int:
    with socket.create_server(("", 0)) as server:
        return int(server.getsockname()[1])


def running(service: str) -> set[str]:
    """The containers of a service that run."""
    of_service = f"label=com.docker.swarm.service.name={NAME}_{service}"
    return set(docker("ps", "--quiet", "--filter", of_service, "--filter", "status=running").split())


def wait_for(service: str, replicas: int, *, without: set[str]) -> set[str]:
    """The containers of a service when there are as many as that, and none of `without`."""
    while len(found := running(service)) != replicas or found & without:
        time.sleep(0.1)
    return found


def test_run_that_was_under_way_when_its_tasks_were_killed_completes(swarm: Swarm) -> None:
    before = swarm.start(delay_s=3)
    while swarm.record(before)["status"] == "queued":
        time.sleep(0.05)
    dead = running("orchestrator")
    module, *_ = running("stubs")
    docker("kill", *dead, module)
    wait_for("orchestrator", 1, without=dead)
    wait_for("stubs", 2, without={module})
    swarm.wait_until_ready()
    ended = swarm.wait_until_over(before)
    assert ended.get("error") is None
    assert (ended["status"], ended["attempt"]) == ("completed", 2)


def test_service_is_scaled_and_runs_at_once_find_their_artifacts(swarm: Swarm) -> None:
    docker(*from_page("docker service scale", **{"openpolicystack_stubs=5": f"{NAME}_stubs=3"}), "--detach")
    wait_for("stubs", 3, without=set())
    ended = [swarm.wait_until_over(run_id) for run_id in [swarm.start(delay_s=0.5) for _ in range(8)]]
    assert [(run["status"], run.get("error")) for run in ended] == [("completed", None)] * 8


def test_task_is_an_ordinary_user_without_any_capability_on_a_read_only_root(swarm: Swarm) -> None:
    assert HTTP.get(f"{swarm.url}/runs").status_code == 401
    for service in ("orchestrator", "stubs"):
        container = next(iter(running(service)))
        status = dict(line.split(":\t", 1) for line in docker("exec", container, "cat", "/proc/1/status").splitlines())
        assert status["Uid"].split() == ["10001"] * 4
        assert status["CapEff"] == status["CapPrm"] == "0000000000000000"
        assert docker("inspect", "--format", "{{.HostConfig.ReadonlyRootfs}}", container) == "true"
