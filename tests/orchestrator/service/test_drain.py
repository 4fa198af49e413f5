"""A service that is stopped lets the runs under way end within OPS_DRAIN_S, and starts no more."""

import json
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, STDOUT, Popen

import pytest
from held_module import HeldModule, held_module
from local_service import HTTP, address_of, started
from scripted_module import modules_yaml
from served_workers import workers

pytestmark = pytest.mark.slow

RUN = {"scenario_id": "demo", "modules": ["alpha"]}
SWEEP = {**RUN, "sweep": {"seeds": 3, "concurrency": 1}}
AN_HOUR = "3600"


@pytest.fixture
def module() -> Iterator[HeldModule]:
    with held_module() as module:
        yield module


@contextmanager
def serving(home: Path, module: HeldModule, drain_s: str) -> Iterator[tuple[Popen[str], str]]:
    (home / "modules.yaml").write_text(modules_yaml(["alpha"]).replace("http://alpha.test", module.url))
    with started(home, "ops", "serve", "--port", "0", stdout=PIPE, stderr=STDOUT, OPS_DRAIN_S=drain_s) as process:
        yield process, address_of(process)


def until_draining(process: Popen[str]) -> None:
    for line in process.stdout or ():
        if "service.draining" in line:
            return
    raise AssertionError("the service ended without draining")


def status_of(home: Path, run_id: str) -> str:
    return str(json.loads((home / "runs" / run_id / "run.json").read_bytes())["status"])


def test_run_under_way_ends_and_no_other_is_started(tmp_path: Path, module: HeldModule) -> None:
    with serving(tmp_path, module, AN_HOUR) as (process, url), ThreadPoolExecutor() as elsewhere:
        call = elsewhere.submit(HTTP.post, f"{url}/plan_and_execute", json=RUN)
        module.asked.get()
        process.send_signal(signal.SIGTERM)
        until_draining(process)
        refused, ready = HTTP.post(f"{url}/plan_and_execute", json=RUN), HTTP.get(f"{url}/ready")
        alive, listed = HTTP.get(f"{url}/health"), HTTP.get(f"{url}/runs").json()["runs"]
        module.opened.set()
        assert (refused.status_code, refused.headers["Retry-After"], ready.status_code) == (503, "1", 503)
        assert (alive.status_code, [run["status"] for run in listed]) == (200, ["running"])
        assert (call.result().status_code, call.result().json()["status"]) == (200, "completed")
        assert process.wait() == 0


def test_run_that_takes_longer_is_interrupted(tmp_path: Path, module: HeldModule) -> None:
    with serving(tmp_path, module, "1") as (process, url):
        run_id = HTTP.post(f"{url}/plan_and_execute", json=RUN, headers={"Prefer": "respond-async"}).json()["run_id"]
        module.asked.get()
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0
    assert status_of(tmp_path, run_id) == "interrupted"


def test_second_signal_stops_at_once(tmp_path: Path, module: HeldModule) -> None:
    with serving(tmp_path, module, AN_HOUR) as (process, url):
        run_id = HTTP.post(f"{url}/plan_and_execute", json=RUN, headers={"Prefer": "respond-async"}).json()["run_id"]
        module.asked.get()
        process.send_signal(signal.SIGTERM)
        until_draining(process)
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0
    assert status_of(tmp_path, run_id) == "interrupted"


def test_sweep_ends_with_the_points_under_way_and_can_be_resumed(tmp_path: Path, module: HeldModule) -> None:
    with serving(tmp_path, module, AN_HOUR) as (process, url):
        sweep_id = HTTP.post(f"{url}/sweeps", json=SWEEP).json()["sweep_id"]
        module.asked.get()
        process.send_signal(signal.SIGTERM)
        until_draining(process)
        module.opened.set()
        assert process.wait() == 0
    with serving(tmp_path, module, "0") as (process, url):
        sweep = HTTP.get(f"{url}/sweeps/{sweep_id}").json()
        assert (sweep["status"], sweep["points"]["completed"]) == ("interrupted", 1)
        resumed = HTTP.post(f"{url}/sweeps/{sweep_id}/resume", headers={"Prefer": "wait=600"}).json()
        assert (resumed["status"], resumed["points"]["completed"]) == ("completed", 3)


@pytest.mark.parametrize("signals", [1, 2])
def test_workers_drain_as_one(tmp_path: Path, module: HeldModule, signals: int) -> None:
    with workers(tmp_path, module, OPS_DRAIN_S=AN_HOUR) as service:
        clients = [service.client(worker) for worker in range(2)]
        started = [client.post("/plan_and_execute", json=RUN, headers={"Prefer": "respond-async"}) for client in clients]
        for _ in started:
            module.asked.get()
        service.process.send_signal(signal.SIGTERM)
        for _ in started:
            service.until("service.draining")
        assert {client.post("/plan_and_execute", json=RUN).status_code for client in clients} == {503}
        if signals == 1:
            module.opened.set()
        else:
            service.process.send_signal(signal.SIGTERM)
        assert service.process.wait() == 0
    expected = "completed" if signals == 1 else "interrupted"
    assert [status_of(tmp_path, answer.json()["run_id"]) for answer in started] == [expected] * 2
