from typing import Any

import pytest
from compose_stack import COMPOSE_LABEL, Stack
from container_engine import engine
from local_service import MODULES


@pytest.fixture(scope="module")
def containers(stack: Stack) -> dict[str, Any]:
    with engine() as client:
        found = client.containers.list(filters={"label": f"{COMPOSE_LABEL}={stack.project}"})
    return {container.labels["com.docker.compose.service"]: container.attrs for container in found}


def test_stack_is_the_orchestrator_and_six_modules(containers: dict[str, Any]) -> None:
    assert set(containers) == {"orchestrator", *MODULES}


def test_every_container_has_a_read_only_root_and_no_way_to_gain_privileges(containers: dict[str, Any]) -> None:
    for service, attrs in containers.items():
        host = attrs["HostConfig"]
        assert (service, host["ReadonlyRootfs"], host["CapDrop"]) == (service, True, ["ALL"])
        assert (service, host["SecurityOpt"]) == (service, ["no-new-privileges:true"])
        assert (service, host["RestartPolicy"]["Name"]) == (service, "unless-stopped")


# One of the stubs: they are one image, and Compose starts them alike.
@pytest.mark.parametrize("service", ["orchestrator", "monitor"])
def test_running_service_is_an_ordinary_user_without_any_capability(stack: Stack, service: str) -> None:
    status = stack.compose("exec", "-T", service, "cat", "/proc/1/status")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert "0" not in fields["Uid"].split()
    assert {fields[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0000000000000000"}
    assert fields["NoNewPrivs"] == "1"


def test_only_the_orchestrator_is_published_and_only_on_loopback(containers: dict[str, Any]) -> None:
    published = {
        service: {binding["HostIp"] for bindings in attrs["NetworkSettings"]["Ports"].values() for binding in bindings or []}
        for service, attrs in containers.items()
    }
    assert {service: addresses for service, addresses in published.items() if addresses} == {"orchestrator": {"127.0.0.1"}}


def test_orchestrator_is_not_given_the_engine_s_socket(containers: dict[str, Any]) -> None:
    mounts = {mount["Destination"]: mount["RW"] for mount in containers["orchestrator"]["Mounts"] if mount["Type"] == "bind"}
    assert mounts == {"/app/runs": True, "/app/modules.yaml": False, "/app/api-keys": False}
