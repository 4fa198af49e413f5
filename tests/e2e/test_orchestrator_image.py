"""The orchestrator's image started by itself, with the README's `docker run`."""

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from compose_stack import PROJECT_PREFIX, ROOT, Stack

NAME = f"{PROJECT_PREFIX}{os.getpid()}-alone"


def docker(*words: str) -> str:
    return subprocess.run(["docker", *words], check=True, capture_output=True, text=True, timeout=120).stdout


def readme_docker_run(folder: Path) -> list[str]:
    """The README's `docker run`, detached, on a free port, with its run store in `folder`."""
    (line,) = re.findall(r"^docker run .*$", (ROOT / "README.md").read_text(), re.MULTILINE)
    changed = line.replace("docker run --rm -p 127.0.0.1:8000:8000", f"docker run -d --name {NAME} -p 127.0.0.1:0:8000")
    assert changed != line
    return shlex.split(changed.replace("$(pwd)", str(folder)))


def address() -> str:
    return f"http://{docker('port', NAME, '8000').splitlines()[0].strip()}"


def ready() -> httpx2.Response:
    transport = httpx2.HTTPTransport(retries=0)
    while True:
        try:
            with httpx2.Client(transport=transport) as client:
                return client.get(f"{address()}/ready")
        except httpx2.TransportError:
            assert docker("inspect", "--format", "{{.State.Running}}", NAME).strip() == "true", docker("logs", NAME)


@pytest.fixture(params=[4242, 0], ids=["an ordinary user's folder", "root's folder"])
def owner(request: pytest.FixtureRequest, stack: Stack, tmp_path: Path) -> Iterator[int]:
    """The uid that owns `runs`; the container is started and removed."""
    assert stack.project  # the image was built from this tree
    uid = int(request.param)
    if os.getuid() != 0:
        pytest.skip("only root can give a folder to somebody else")
    (tmp_path / "runs").mkdir()
    os.chown(tmp_path / "runs", uid, uid)
    subprocess.run(readme_docker_run(tmp_path), check=True, capture_output=True, timeout=60)
    yield uid
    docker("rm", "--force", NAME)


def test_run_folders_belong_to_the_owner_of_the_mounted_folder(owner: int, tmp_path: Path) -> None:
    assert ready().status_code == 200
    started = httpx2.post(
        f"{address()}/plan_and_execute",
        json={"scenario_id": "x", "modules": ["monitor"]},
        headers={"Prefer": "respond-async"},
    )
    folder = tmp_path / "runs" / started.json()["run_id"]
    assert {folder.stat().st_uid, (folder / "run.json").stat().st_uid} == {owner}


def test_service_has_no_capability_whoever_it_runs_as(owner: int) -> None:
    assert ready().status_code == 200
    status = docker("exec", NAME, "cat", "/proc/1/status")
    assert f"Uid:\t{owner}\t" in status
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert f"{name}:\t0000000000000000" in status


def test_container_that_may_not_write_its_store_says_so_and_is_not_ready(stack: Stack, tmp_path: Path) -> None:
    assert stack.project
    (tmp_path / "runs").mkdir()
    words = readme_docker_run(tmp_path)
    subprocess.run([*words[:2], "--user", "4242:4242", *words[2:]], check=True, capture_output=True, timeout=60)
    try:
        answer = ready()
        assert answer.status_code == 503
        assert answer.json()["reason"] == "the run store runs cannot be written as user 4242: Permission denied"
    finally:
        docker("rm", "--force", NAME)
