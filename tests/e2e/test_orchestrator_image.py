"""The orchestrator's image built and started by itself, with the README's `docker build` and `docker run`."""

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest
from api_keys import bearer, make_key, revoke
from compose_stack import PROJECT_PREFIX
from container_engine import SOME_UID, build, docker, published, wait_for_log
from local_service import HTTP, ROOT, service

NAME: Final = f"{PROJECT_PREFIX}{os.getpid()}-alone"
README: Final = (ROOT / "README.md").read_text().replace("\\\n", "")


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    """The image that the README's `docker build` makes: of the default target."""
    (line,) = re.findall(r"^docker build (.*)$", README, re.MULTILINE)
    assert shlex.split(line) == ["-t", "openpolicystack-orchestrator:dev", "."]
    yield build(f"{NAME}:latest", ROOT)
    docker("rmi", "--force", f"{NAME}:latest")


@contextmanager
def running(image: str, folder: Path, *options: str, stubs_port: int = 8080) -> Iterator[str]:
    """The address of the README's `docker run`, detached, on a free port, with its run store in `folder`.

    The stubs on this machine, which it looks for on port 8080, are at `stubs_port`.
    """
    (line,) = re.findall(r"^docker run (.*)$", README, re.MULTILINE)
    changed = re.sub(r"-p \S*8000:8000", "-p 127.0.0.1:0:8000", line.removeprefix("--rm ")).replace("$(pwd)", str(folder))
    changed = changed.replace(":8080", f":{stubs_port}")
    words = shlex.split(changed.replace("openpolicystack-orchestrator:dev", image))
    docker("run", "--detach", "--name", NAME, *options, *words)
    try:
        wait_for_log(NAME, "service.listening")
        yield published(NAME, 8000)
    finally:
        docker("rm", "--force", NAME)


@pytest.mark.parametrize("owner", [SOME_UID, 0], ids=["an ordinary user's folder", "root's folder"])
def test_service_is_the_owner_of_the_mounted_folder_without_any_capability(image: str, owner: int, tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can give a folder to somebody else")
    (tmp_path / "runs").mkdir()
    os.chown(tmp_path / "runs", owner, owner)
    with running(image, tmp_path) as url:
        assert HTTP.get(f"{url}/ready").status_code == 200
        scenario = {"scenario_id": "x", "modules": ["monitor"]}
        started = HTTP.post(f"{url}/plan_and_execute", json=scenario, headers={"Prefer": "respond-async"}).json()
        status = docker("exec", NAME, "cat", "/proc/1/status")
    folder = tmp_path / "runs" / started["run_id"]
    assert {folder.stat().st_uid, (folder / "run.json").stat().st_uid} == {owner}
    assert f"Uid:\t{owner}\t" in status
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert f"{name}:\t0000000000000000" in status


def test_container_reaches_the_stubs_on_this_machine(image: str, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    words = ("ops-stubs", "serve", "--host", "0.0.0.0", "--port", "0")  # noqa: S104  # a container comes from outside
    with (
        service(tmp_path, *words) as (_, stubs),
        running(image, tmp_path, stubs_port=urlsplit(stubs).port or 0) as url,
    ):
        answer = HTTP.post(f"{url}/plan_and_execute", json={"scenario_id": "x", "modules": ["monitor"]})
    assert answer.json()["status"] == "completed", answer.text


def test_container_that_may_not_write_its_store_says_so_and_is_not_ready(image: str, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    with running(image, tmp_path, "--user", f"{SOME_UID}:{SOME_UID}") as url:
        answer = HTTP.get(f"{url}/ready")
    assert answer.status_code == 503
    assert answer.json()["reason"] == f"the run store runs cannot be written as user {SOME_UID}: Permission denied"


def test_image_by_itself_refuses_to_be_open_and_says_what_to_do(image: str) -> None:
    ran = subprocess.run(["docker", "run", "--rm", image], capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert "it is to listen on 0.0.0.0" in ran.stderr
    assert "`ops keys add NAME --scope run`" in ran.stderr


def test_container_asks_for_the_keys_in_its_mounted_folder_and_knows_at_once_what_changes_there(
    image: str, tmp_path: Path
) -> None:
    (tmp_path / "runs").mkdir()
    file = tmp_path / "api-keys" / "keys.json"
    token = make_key(file, "anna")
    mounted = ("--volume", f"{file.parent}:/app/api-keys:ro", "--env", "OPS_OPEN=no")
    with running(image, tmp_path, *mounted, "--env", "OPS_API_KEYS_FILE=api-keys/keys.json") as url:
        statuses = [HTTP.get(f"{url}/runs", headers=headers).status_code for headers in ({}, bearer(token))]
        added = HTTP.get(f"{url}/runs", headers=bearer(make_key(file, "bob"))).status_code
        revoke(file, "anna")
        revoked = HTTP.get(f"{url}/runs", headers=bearer(token)).status_code
    assert (statuses, added, revoked) == ([401, 200], 200, 401)
