"""The images of the modules that `ops-contract init` writes, started as the stack starts a module."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from compose_stack import COMPOSE_LABEL, PROJECT_PREFIX
from container_engine import build, docker, published, wait_for_log
from local_service import HTTP
from starter_process import needs

from ops_contract.compliance.check import check
from ops_contract.compliance.result import ExitCode
from ops_contract.compliance.starter import start_module

pytestmark = pytest.mark.anyio

PROJECT: Final = f"{PROJECT_PREFIX}{os.getpid()}-starters"
HARDENED: Final = (
    *("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),  # noqa: S108  # the only place to write
    *("--user", "23456:34567"),
)

Start = Callable[..., tuple[str, str]]


def node_image() -> str:
    """An image of this machine's Node.js and the libraries that it loads: no registry is needed for it."""
    node = str(Path(shutil.which("node") or "").resolve())
    libraries = subprocess.run(["ldd", node], check=True, capture_output=True, text=True).stdout.split()
    # Debian keeps some of Node's own modules apart.
    parts = [node, *(word for word in libraries if word.startswith("/")), *filter(os.path.exists, ("/usr/share/nodejs",))]
    tar = ["tar", "--directory=/", "--create", "--dereference", *(part.removeprefix("/") for part in parts)]
    image = f"{PROJECT}-node-base:latest"
    with subprocess.Popen(tar, stdout=subprocess.PIPE) as packing:
        change = f"ENV PATH={Path(node).parent}"
        subprocess.run(["docker", "import", "--change", change, "-", image], stdin=packing.stdout, check=True)
    return image


@pytest.fixture(scope="module", params=["node", "python"])
def image(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    needs(request.param)
    folder = tmp_path_factory.mktemp("starter") / "tax-office"
    start_module(folder, request.param, None)
    base = {"NODE_IMAGE": node_image()} if request.param == "node" else {}
    built = build(f"{PROJECT}-{request.param}:latest", folder, **base)
    yield built
    docker("rmi", "--force", built, *base.values())


@pytest.fixture
def start(image: str) -> Iterator[Start]:
    """Start the image; the container's name and its address, once it answers."""
    started: list[str] = []

    def run(port: int, *options: str) -> tuple[str, str]:
        name = f"{PROJECT}-{len(started)}"
        started.append(name)
        words = ("--label", f"{COMPOSE_LABEL}={PROJECT}", "--publish", f"127.0.0.1:0:{port}", *options)
        docker("run", "--detach", "--name", name, *words, image)
        wait_for_log(name, f"tax-office listens at http://127.0.0.1:{port}")
        url = published(name, port)
        # Only a service that answers has a handler for signals.
        HTTP.get(f"{url}/health").raise_for_status()
        return name, url

    yield run
    for name in started:
        docker("rm", "--force", name)


async def test_image_of_the_starter_is_compliant_with_nothing_but_what_a_container_may_have(start: Start) -> None:
    """OPS-CTR-001, OPS-CTR-002."""
    name, url = start(8080, *HARDENED)
    report = await check(url)
    assert [one.requirement.id for one in report.findings if one.verdict not in {"pass", "not_applicable"}] == []
    assert report.exit_code(strict=True) == ExitCode.COMPLIANT
    assert docker("logs", name) == "tax-office listens at http://127.0.0.1:8080"


def test_image_of_the_starter_is_not_root_and_listens_on_the_port_of_its_environment(start: Start) -> None:
    """OPS-CTR-001, OPS-CTR-002."""
    name, _ = start(9090, "--env", "OPS_PORT=9090")
    assert docker("inspect", "--format", "{{.Config.User}}", name) == "10001:10001"


def test_container_of_the_starter_stops_on_sigterm(start: Start) -> None:
    """OPS-CTR-003."""
    name, _ = start(8080, *HARDENED)
    docker("stop", "--time", "60", name)
    assert docker("inspect", "--format", "{{.State.ExitCode}}", name) == "0"
