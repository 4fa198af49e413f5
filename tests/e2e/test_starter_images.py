"""The images of the modules that `ops-contract init` writes, started as the stack starts a module."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import httpx2
import pytest
from compose_stack import COMPOSE_LABEL, PROJECT_PREFIX
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


def docker(*words: str) -> str:
    return subprocess.run(["docker", *words], check=True, capture_output=True, text=True, timeout=300).stdout.strip()


def node_image() -> str:
    """An image of this machine's Node.js and the libraries that it loads: no registry is needed for it."""
    needs("node")
    node = str(Path(shutil.which("node") or "").resolve())
    told = subprocess.run(["ldd", node], check=True, capture_output=True, text=True, timeout=20).stdout.split()
    # Debian keeps some of Node's own modules apart.
    parts = [node, *(word for word in told if word.startswith("/")), *filter(os.path.exists, ("/usr/share/nodejs",))]
    tar = ["tar", "--directory=/", "--create", "--dereference", *(part.removeprefix("/") for part in parts)]
    image = f"{PROJECT}-node-base:latest"
    with subprocess.Popen(tar, stdout=subprocess.PIPE) as packing:
        change = f"ENV PATH={Path(node).parent}"
        subprocess.run(["docker", "import", "--change", change, "-", image], stdin=packing.stdout, check=True, timeout=120)
    return image


def python_image() -> str:
    return os.environ.get("PYTHON_IMAGE") or "python:3.13-slim-trixie"


@pytest.fixture(scope="module", params=["node", "python"])
def image(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("starter") / "tax-office"
    start_module(folder, request.param, None)
    base = {"node": node_image, "python": python_image}[request.param]()
    built = f"{PROJECT}-{request.param}:latest"
    ca = ["--secret", f"id=ca_bundle,src={bundle}"] if (bundle := os.environ.get("CA_BUNDLE")) else []
    argument = f"{request.param.upper()}_IMAGE={base}"
    docker("build", "--quiet", "--tag", built, "--build-arg", argument, *ca, str(folder))
    yield built
    docker("rmi", "--force", built, *([base] if base.startswith(PROJECT) else []))


@pytest.fixture
def start(image: str) -> Iterator[Start]:
    """Start the image; the container's name and its address, once its health is answered."""
    started: list[str] = []

    def run(port: int, *words: str) -> tuple[str, str]:
        name = f"{PROJECT}-{len(started)}"
        started.append(name)
        docker(
            "run",
            "--detach",
            "--name",
            name,
            "--label",
            f"{COMPOSE_LABEL}={PROJECT}",
            *words,
            "-p",
            f"127.0.0.1:0:{port}",
            image,
        )
        url = f"http://{docker('port', name, str(port)).splitlines()[0]}"
        wait_until_healthy(name, url)
        return name, url

    yield run
    for name in started:
        docker("rm", "--force", name)


def wait_until_healthy(name: str, url: str) -> None:
    while True:
        try:
            httpx2.get(f"{url}/health").raise_for_status()
        except httpx2.TransportError:
            assert docker("inspect", "--format", "{{.State.Running}}", name) == "true", docker("logs", name)
        else:
            return


async def test_image_of_the_starter_is_compliant_with_nothing_but_what_a_container_may_have(start: Start) -> None:
    """OPS-CTR-001, OPS-CTR-002."""
    name, url = start(8080, *HARDENED)
    report = await check(url)
    assert [one.requirement.id for one in report.findings if one.verdict not in {"pass", "not_applicable"}] == []
    assert report.exit_code(strict=True) == ExitCode.COMPLIANT
    assert docker("logs", name) == "tax-office listens at http://127.0.0.1:8080"


def test_image_of_the_starter_is_not_root_and_listens_where_it_is_told(start: Start) -> None:
    """OPS-CTR-001, OPS-CTR-002."""
    name, _ = start(9090, "--env", "OPS_PORT=9090")
    assert docker("inspect", "--format", "{{.Config.User}}", name) == "10001:10001"


def test_container_of_the_starter_stops_at_once_when_told(start: Start) -> None:
    """OPS-CTR-003."""
    name, _ = start(8080, *HARDENED)
    began = time.monotonic()
    docker("stop", "--time", "20", name)
    assert time.monotonic() - began < 10
    assert docker("inspect", "--format", "{{.State.ExitCode}}", name) == "0"
