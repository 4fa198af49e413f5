"""The profile `cluster` of compose.yaml as its tests use it: runs that it accepts, and cuts between its containers."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from compose_stack import Stack
from container_engine import docker
from local_service import HTTP

# The system calls SIOCSARP and SIOCDARP: an entry that is there for good (ATF_PERM, ATF_COM), with an address that nobody has.
_LOST: Final = """
import fcntl, socket, struct, sys
number, address = int(sys.argv[1], 16), socket.inet_aton(sys.argv[2])
protocol = struct.pack("HH4s8x", socket.AF_INET, 0, address)
hardware = struct.pack("H6s8x", 1, bytes.fromhex("020000000bad"))
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
    fcntl.ioctl(any_socket, number, protocol + hardware + struct.pack("i32x", 0x06))
"""
_SET, _DELETE = "8955", "8953"


def url_of(cluster: Stack) -> str:
    """The address of the balancer before the API processes."""
    return f"http://{cluster.compose('port', 'balancer', '8000').strip()}"


def containers_of(cluster: Stack, service: str) -> list[str]:
    """The ids of a service's containers."""
    return cluster.compose("ps", "--quiet", service).split()


def address_of(cluster: Stack, service: str) -> str:
    """The address of a service's only container."""
    return address_in_network(*containers_of(cluster, service))


def address_in_network(container: str) -> str:
    """The address of a container."""
    return docker("inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", container)


def wait_for_api_processes(cluster: Stack, number: int) -> None:
    """Wait until the balancer sees as many."""
    ask = "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:8405/').read().decode())"
    while int(cluster.compose("exec", "-T", "balancer", "python3", "-c", ask)) != number:
        pass


def scenario(delay_s: float) -> dict[str, Any]:
    """Two modules that deliver files, each of which takes so long."""
    inputs = {"country": "DO", "__stub_delay_s": delay_s}
    return {"scenario_id": "cluster", "modules": ["data-layer", "supplychain-risk"], "inputs": inputs}


def accepted(cluster: Stack, number: int, *, delay_s: float) -> list[str]:
    """The addresses of as many runs, which have been accepted."""
    url, headers = url_of(cluster), {"Prefer": "respond-async"}
    asked = [HTTP.post(f"{url}/plan_and_execute", json=scenario(delay_s), headers=headers) for _ in range(number)]
    return [f"{url}/runs/{answer.raise_for_status().json()['run_id']}" for answer in asked]


def wait_until_none_is(runs: Sequence[str], *statuses: str) -> None:
    """Wait until no run has one of these statuses."""
    while any(HTTP.get(run).json()["status"] in statuses for run in runs):
        time.sleep(0.2)


def lines_of(run: str) -> list[dict[str, Any]]:
    """The log of a run."""
    return [json.loads(line) for line in HTTP.get(f"{run}/logs").raise_for_status().text.splitlines()]


def executors(run: str) -> list[str]:
    """The processes that executed a run, one after the other, by the names of their containers."""
    return [line["executor"].partition(":")[0] for line in lines_of(run) if "executor" in line]


def one_that_executes(cluster: Stack, run: str) -> str:
    """The worker that executes a run; waits until one does."""
    wait_until_none_is([run], "queued")
    name = executors(run)[0]
    return next(worker for worker in containers_of(cluster, "worker") if worker.startswith(name))


@contextmanager
def unplugged(cluster: Stack, container: str) -> Iterator[None]:
    """A container that is in no network meanwhile, and may have another address afterwards."""
    network = f"{cluster.project}_default"
    docker("network", "disconnect", network, container)
    try:
        yield
    finally:
        docker("network", "connect", network, container)


@contextmanager
def cut_off(cluster: Stack, container: str, *services: str) -> Iterator[None]:
    """A container whose packets to these services vanish meanwhile: nobody refuses a connection, or ends one."""
    addresses = [address_of(cluster, service) for service in services]
    for address in addresses:
        docker("exec", "--privileged", "--user", "0", container, "python3", "-c", _LOST, _SET, address)
    try:
        yield
    finally:
        for address in addresses:
            docker("exec", "--privileged", "--user", "0", container, "python3", "-c", _LOST, _DELETE, address)
