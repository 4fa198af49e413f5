"""How many runs fit into the descriptors that a process may have."""

import json
import resource
import socket
from datetime import datetime
from itertools import islice
from pathlib import Path
from subprocess import STDOUT

import pytest
from local_service import HTTP, address_of, service, started
from scripted_module import modules_yaml

from ops_orchestrator.descriptors import needed, places_for
from ops_orchestrator.settings import Settings

USUAL = Settings(_env_file=None)


def test_runs_that_fit_are_as_many_as_the_settings_say() -> None:
    assert places_for(USUAL, needed(USUAL)) == places_for(USUAL, None) == (64, 1000, None)


@pytest.mark.parametrize(("most", "at_once", "waiting"), [(1024, 64, 320), (256, 32, 0), (64, 1, 0)])
def test_runs_that_do_not_fit_are_fewer_and_that_is_said(most: int, at_once: int, waiting: int) -> None:
    places = places_for(USUAL, most)
    assert places[:2] == (at_once, waiting)
    assert f"may have {most}: at most {at_once} runs are executed at once, and {waiting} wait" in str(places.warning)


@pytest.mark.slow
def test_service_takes_all_descriptors_that_its_user_may_have(tmp_path: Path) -> None:
    (tmp_path / "modules.yaml").write_text(modules_yaml(["alpha"]))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        with service(tmp_path, "ops", "serve", "--port", "0") as (process, url):
            assert HTTP.get(f"{url}/ready").status_code == 200
            assert resource.prlimit(process.pid, resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.slow
def test_service_without_descriptors_looks_once_a_second_and_answers_when_there_are_some(tmp_path: Path) -> None:
    (tmp_path / "modules.yaml").write_text(modules_yaml(["alpha"]))
    with started(tmp_path, "ops", "serve", "--port", "0", stderr=STDOUT) as process:
        url = address_of(process)
        before = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
        used = len([*Path(f"/proc/{process.pid}/fd").iterdir()])
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (used, before[1]))
        with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))) as caller:
            lines = (json.loads(line) for line in process.stdout or ())
            times = [line["timestamp"] for line in islice((line for line in lines if "accept" in line["event"]), 3)]
            resource.prlimit(process.pid, resource.RLIMIT_NOFILE, before)
            caller.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert caller.recv(100).startswith(b"HTTP/1.1 200")
    first, *_, last = map(datetime.fromisoformat, times)
    # One that tries again at once writes thousands of lines in that time.
    assert (last - first).total_seconds() > 1
