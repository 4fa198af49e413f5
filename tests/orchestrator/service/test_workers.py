"""A service that is several processes behaves as one."""

import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import enumerate as enumerate_threads

import httpx2
import pytest
from api_keys import bearer, make_key, revoke
from held_module import HeldModule, held_module
from local_service import started
from scraped import Scraped
from scripted_module import modules_yaml
from served_workers import Workers, paused, workers

from ops_orchestrator.runs.signing import make_keys
from ops_orchestrator.service.app import create_app
from ops_orchestrator.service.siblings import Worker
from ops_orchestrator.settings import Settings

pytestmark = pytest.mark.slow

SCENARIO = {"scenario_id": "demo", "modules": ["alpha"]}
AT_ONCE = {"Prefer": "respond-async"}


@pytest.fixture
def module() -> Iterator[HeldModule]:
    with held_module() as module:
        yield module


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Workers, HeldModule]]:
    """Workers for tests that leave them as they are."""
    with held_module() as module, workers(tmp_path_factory.mktemp("home"), module) as service:
        yield service, module


@pytest.fixture
def held(service: tuple[Workers, HeldModule]) -> Iterator[tuple[Workers, HeldModule]]:
    """The same, with a module that holds its answers back."""
    service[1].opened.clear()
    yield service
    service[1].opened.set()


def start(client: httpx2.Client) -> str:
    return str(client.post("/plan_and_execute", json=SCENARIO, headers=AT_ONCE).json()["run_id"])


def status(client: httpx2.Client, run_id: str) -> str:
    return str(client.get(f"/runs/{run_id}").json()["status"])


def wait_for(condition: Callable[[], bool]) -> None:
    while not condition():
        pass


def test_each_worker_executes_the_runs_that_come_to_it(held: tuple[Workers, HeldModule]) -> None:
    service, module = held
    executors = []
    for number in range(2):
        client = service.client(number)
        run_id = start(client)
        module.asked.get()
        log = client.get(f"/runs/{run_id}/logs").text.splitlines()
        executors.append(json.loads(log[1])["executor"])
    assert executors == [f"{socket.gethostname()}:{pid}" for pid in service.pids]


def test_other_worker_tells_of_a_run_what_only_memory_knows(held: tuple[Workers, HeldModule]) -> None:
    service, module = held
    here, there = service.client(0), service.client(1)
    run_id = start(here)
    module.asked.get()
    for path in (f"/runs/{run_id}", f"/runs/{run_id}/results"):
        answers = [client.get(path) for client in (here, there)]
        assert answers[0].json() == answers[1].json()
        assert [answer.headers["etag"] for answer in answers] == [answers[0].headers["etag"]] * 2
        assert there.head(path).headers["content-length"] == str(len(answers[0].content))
        assert there.get(path, headers={"If-None-Match": answers[0].headers["etag"]}).status_code == 304
    assert there.get(f"/runs/{run_id}").json()["steps"][0]["status"] == "running"


def test_answer_that_comes_through_the_other_worker_has_each_header_once(held: tuple[Workers, HeldModule]) -> None:
    service, module = held
    run_id = start(service.client(0))
    module.asked.get()
    here, there = (sorted(service.client(number).get(f"/runs/{run_id}").headers.multi_items()) for number in range(2))
    # A policy that stands twice is none, to a browser.
    assert [name for name, _ in there] == [name for name, _ in here]
    assert {("cross-origin-resource-policy", "same-origin"), ("x-content-type-options", "nosniff")} <= {*there}


def test_events_of_a_run_come_live_through_the_other_worker(held: tuple[Workers, HeldModule]) -> None:
    service, module = held
    run_id = start(service.client(0))
    module.asked.get()
    with service.client(1).sse(f"/runs/{run_id}/events") as stream:
        events = (json.loads(event.data)["event"] for event in stream)
        assert list(zip(events, range(3), strict=False))[-1][0] == "step.started"
        module.opened.set()
        assert list(events)[-1] == "run.ended"


def test_run_is_cancelled_through_the_other_worker_and_says_who_asked(held: tuple[Workers, HeldModule]) -> None:
    service, module = held
    here, there = service.client(0), service.client(1)
    run_id = start(here)
    module.asked.get()
    answer = there.post(f"/runs/{run_id}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert "/cancel from 127.0.0.1" in answer.json()["error"]["message"]
    assert status(here, run_id) == "cancelled"


def test_request_that_is_repeated_at_the_other_worker_waits_for_the_first_run(held: tuple[Workers, HeldModule]) -> None:
    service, module = held
    here, there, third = service.client(0), service.client(1), service.client(1)
    headers = {"Idempotency-Key": "repeated"}
    with ThreadPoolExecutor() as elsewhere:
        first = elsewhere.submit(here.post, "/plan_and_execute", json=SCENARIO, headers=headers)
        module.asked.get()
        second = elsewhere.submit(there.post, "/plan_and_execute", json=SCENARIO, headers=headers)
        assert third.post("/plan_and_execute", json=SCENARIO, headers=headers | AT_ONCE).status_code == 202
        module.opened.set()
        answers = [first.result(), second.result()]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    assert module.asked.empty()


def test_run_is_reproduced_through_the_other_worker_and_once_for_a_key(held: tuple[Workers, HeldModule]) -> None:
    service, module = held
    here, there, third = service.client(0), service.client(1), service.client(1)
    run_id = start(here)
    module.asked.get()
    assert there.post(f"/runs/{run_id}/reproduce").status_code == 409
    module.opened.set()
    wait_for(lambda: status(there, run_id) == "completed")
    module.opened.clear()
    headers = {"Idempotency-Key": "reproduced"}
    with ThreadPoolExecutor() as elsewhere:
        first = elsewhere.submit(there.post, f"/runs/{run_id}/reproduce", headers=headers)
        module.asked.get()
        second = elsewhere.submit(here.post, f"/runs/{run_id}/reproduce", headers=headers)
        assert third.post(f"/runs/{run_id}/reproduce", headers=headers | AT_ONCE).status_code == 202
        module.opened.set()
        answers = [first.result(), second.result()]
    assert [answer.json()["reproduction"]["grade"] for answer in answers] == ["identical"] * 2
    assert answers[0].json() == answers[1].json()
    assert module.asked.empty()


def test_run_is_cancelled_while_the_other_worker_takes_it_up_again(held: tuple[Workers, HeldModule]) -> None:
    service, _ = held
    here, others = service.client(0), [service.client(number % 2) for number in range(8)]
    run_id = start(here)
    here.post(f"/runs/{run_id}/cancel")
    for _ in range(10):
        with ThreadPoolExecutor() as elsewhere:
            elsewhere.submit(here.post, f"/runs/{run_id}/resume", headers=AT_ONCE)
            cancelled = [elsewhere.submit(client.post, f"/runs/{run_id}/cancel") for client in others]
        assert [each.result().json()["status"] for each in cancelled] == ["cancelled"] * len(others)
        assert here.post(f"/runs/{run_id}/cancel").json()["status"] == "cancelled"


def test_worker_that_hangs_does_not_hang_the_other(held: tuple[Workers, HeldModule]) -> None:
    service, module = held
    here, headers = service.client(0), {"Idempotency-Key": "of a run whose worker hangs"}
    run_id = here.post("/plan_and_execute", json=SCENARIO, headers=headers | AT_ONCE).json()["run_id"]
    module.asked.get()
    record, results, events, cancel, repeat = (service.client(1) for _ in range(5))
    with paused([service.pids[0]]), ThreadPoolExecutor() as elsewhere:
        asked = [
            elsewhere.submit(record.get, f"/runs/{run_id}"),
            elsewhere.submit(results.get, f"/runs/{run_id}/results"),
            elsewhere.submit(events.get, f"/runs/{run_id}/events"),
            elsewhere.submit(repeat.post, "/plan_and_execute", json=SCENARIO, headers=headers | {"Prefer": "wait=1"}),
            elsewhere.submit(cancel.post, f"/runs/{run_id}/cancel"),
        ]
        answers = [each.result() for each in asked]
    assert [answer.status_code for answer in answers] == [200, 503, 200, 202, 503]
    assert {answers[number].json()["type"] for number in (1, 4)} == {"urn:openpolicystack:problem:unresponsive"}
    assert here.post(f"/runs/{run_id}/cancel").json()["status"] == "cancelled"


def test_run_that_is_over_or_unknown_is_the_same_at_both(held: tuple[Workers, HeldModule]) -> None:
    service, module = held
    module.opened.set()
    clients = [service.client(number) for number in range(2)]
    run_id = clients[0].post("/plan_and_execute", json=SCENARIO).json()["run_id"]
    for path, code in ((f"/runs/{run_id}", 200), ("/runs/run_2026-01-01T00-00-00Z_000000", 404), ("/runs/nonsense", 404)):
        assert [client.get(path).status_code for client in clients] == [code, code]
    assert [client.post(f"/runs/{run_id}/cancel").status_code for client in clients] == [409, 409]


def test_limits_hold_for_all_workers_together(tmp_path: Path, module: HeldModule) -> None:
    with workers(tmp_path, module, OPS_MAX_CONCURRENT_RUNS="1", OPS_MAX_QUEUED_RUNS="1") as service:
        here, there = service.client(0), service.client(1)
        first, second = start(here), start(there)
        assert (status(there, first), status(here, second)) == ("running", "queued")
        for client in (here, there):
            assert client.post("/plan_and_execute", json=SCENARIO, headers=AT_ONCE).status_code == 503
        module.opened.set()
        wait_for(lambda: status(here, second) == "completed")


def test_worker_that_is_killed_is_replaced_and_its_run_can_go_on(tmp_path: Path, module: HeldModule) -> None:
    with workers(tmp_path, module, OPS_MAX_CONCURRENT_RUNS="1") as service:
        here, there = service.client(0), service.client(1)
        first = start(here)
        module.asked.get()
        waiting = start(there)
        os.kill(service.pids[0], signal.SIGKILL)
        module.asked.get()
        assert status(there, waiting) == "running"
        service.until("run.recovered")
        service.until("worker.started")
        assert status(there, first) == "interrupted"
        module.opened.set()
        resumed = there.post(f"/runs/{first}/resume").json()
        assert (resumed["run_id"], resumed["status"]) == (first, "completed")


def test_worker_that_hangs_is_replaced_and_its_run_can_go_on(tmp_path: Path, module: HeldModule) -> None:
    with workers(tmp_path, module) as service:
        here, there = service.client(0), service.client(1)
        run_id = start(here)
        module.asked.get()
        os.kill(service.pids[0], signal.SIGSTOP)
        assert service.until("worker.hangs")["pid"] == service.pids[0]
        service.until("worker.started")
        module.opened.set()
        assert there.post(f"/runs/{run_id}/resume").json()["status"] == "completed"


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGTERM, 0),
        pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow),
    ],
)
def test_workers_are_stopped_as_one(tmp_path: Path, module: HeldModule, number: int, code: int) -> None:
    with workers(tmp_path, module) as service:
        clients = [service.client(worker) for worker in range(2)]
        run_ids = [start(client) for client in clients]
        with clients[1].sse(f"/runs/{run_ids[0]}/events") as stream:
            service.process.send_signal(number)
            last = [json.loads(event.data) for event in stream][-1]
        assert (last["event"], last["status"]) == ("run.ended", "interrupted")
        assert service.process.wait() == code
        for pid in service.pids:
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)
        assert "Traceback" not in "".join(service.rest())
    for run_id in run_ids:
        assert json.loads((tmp_path / "runs" / run_id / "run.json").read_bytes())["status"] == "interrupted"


@pytest.mark.slow
def test_second_signal_kills_workers_that_do_not_stop(tmp_path: Path, module: HeldModule) -> None:
    with workers(tmp_path, module, OPS_STOP_GRACE_S="3600") as service:
        os.kill(service.pids[0], signal.SIGSTOP)
        service.process.send_signal(signal.SIGTERM)
        wait_for(lambda: not Path(f"/proc/{service.pids[1]}").exists())
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait() == 0
        assert not Path(f"/proc/{service.pids[0]}").exists()


def test_worker_that_cannot_be_replaced_is_tried_again_while_the_other_serves(tmp_path: Path, module: HeldModule) -> None:
    key = tmp_path / "key.pem"
    key.write_bytes(make_keys()[0])
    with workers(tmp_path, module, OPS_SIGNING_KEY=str(key)) as service:
        client, good = service.client(1), key.read_bytes()
        key.write_bytes(b"no key")
        os.kill(service.pids[0], signal.SIGKILL)
        assert "it ended with exit code -9" in service.until("worker.died")["message"]
        assert "it cannot start: OPS_SIGNING_KEY" in service.until("worker.died")["message"]
        assert client.get("/ready").status_code == 200
        key.write_bytes(good)
        service.until("worker.started")


def test_workers_end_with_a_supervisor_that_is_killed(tmp_path: Path, module: HeldModule) -> None:
    with workers(tmp_path, module) as service:
        run_id = start(service.client(1))
        service.process.kill()
        service.rest()
    assert json.loads((tmp_path / "runs" / run_id / "run.json").read_bytes())["status"] == "interrupted"


async def test_old_runs_are_deleted_by_the_first_worker_alone(tmp_path: Path) -> None:
    (tmp_path / "modules.yaml").write_text(modules_yaml(["alpha"]))
    settings = Settings(modules_file=tmp_path / "modules.yaml", runs_dir=tmp_path / "runs", retention_days=1, _env_file=None)
    deleting = []
    for number in range(2):
        app = create_app(settings, worker=Worker(number, 2, tmp_path))
        async with app.router.lifespan_context(app):
            deleting.append("run-retention" in {thread.name for thread in enumerate_threads()})
    assert deleting == [True, False]


def test_bad_modules_file_is_reported_once(tmp_path: Path) -> None:
    (tmp_path / "modules.yaml").write_text("modules:\n  alpha:\n    ulr: http://a\n")
    with started(tmp_path, "ops", "serve", "--port", "0", OPS_WORKERS="3") as process:
        _, err = process.communicate()
    assert (process.returncode, err.count("\n")) == (2, 1)
    assert err.startswith("ops: modules.yaml:3: unknown key 'ulr'; did you mean 'url'?")


def test_temporary_folder_with_too_long_a_path_is_named(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 100)
    long.mkdir()
    with started(tmp_path, "ops", "serve", "--port", "0", OPS_WORKERS="2", TMPDIR=str(long)) as process:
        _, err = process.communicate()
    assert (process.returncode, list(long.iterdir())) == (2, [])
    assert err.startswith(f"ops: the path of the temporary folder {long}/")


def test_port_that_is_taken_is_reported_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with started(tmp_path, "ops", "serve", "--port", port, OPS_WORKERS="2") as process:
            _, err = process.communicate()
    assert process.returncode == 2
    assert err == f"ops: cannot listen on 127.0.0.1:{port}: Address already in use; choose another port with --port\n"


def test_sweep_is_seen_and_cancelled_through_the_other_worker(held: tuple[Workers, HeldModule]) -> None:
    service, module = held
    here, there = service.client(0), service.client(1)
    sweep_id = here.post("/sweeps", json={**SCENARIO, "sweep": {"seeds": 3, "concurrency": 1}}).json()["sweep_id"]
    module.asked.get()
    assert there.get(f"/sweeps/{sweep_id}").json()["status"] == "running"
    assert there.post(f"/sweeps/{sweep_id}/resume").status_code == 409
    cancelled = there.post(f"/sweeps/{sweep_id}/cancel")
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    assert here.get(f"/sweeps/{sweep_id}").json()["points"]["pending"] == 3


def test_sweep_of_a_worker_that_was_killed_goes_on_in_another(tmp_path: Path, module: HeldModule) -> None:
    with workers(tmp_path, module) as service:
        here, there = service.client(0), service.client(1)
        sweep_id = here.post("/sweeps", json={**SCENARIO, "sweep": {"seeds": 3, "concurrency": 1}}).json()["sweep_id"]
        module.asked.get()
        os.kill(service.pids[0], signal.SIGKILL)
        wait_for(lambda: there.get(f"/sweeps/{sweep_id}").json()["status"] == "interrupted")
        module.opened.set()
        resumed = there.post(f"/sweeps/{sweep_id}/resume", headers={"Prefer": "wait=60"}).json()
        assert (resumed["status"], resumed["points"]["completed"]) == ("completed", 3)
        assert len(there.get("/runs").json()["runs"]) == 3


def test_scrape_is_the_same_whichever_worker_it_meets(held: tuple[Workers, HeldModule]) -> None:
    service, module = held
    clients = [service.client(number) for number in range(2)]
    before = Scraped.of(clients[0].get("/metrics").text)
    for client in clients:
        start(client)
        module.asked.get()
    during = [Scraped.of(client.get("/metrics").text) for client in clients]
    for found in during:
        assert [found.value("ops_runs", status="running", worker=number) for number in "01"] == [1.0, 1.0]
        assert found.value("ops_runs_started_total") == before.value("ops_runs_started_total") + 2.0
        assert list(found.values("ops_worker_up")) == [1.0, 1.0]
        assert len(found.series("ops_build_info")) == len(found.series("ops_store_free_bytes")) == 1
        assert found.value("process_resident_memory_bytes", worker="0") > 0 < found.value("process_open_fds", worker="1")
        assert found.value("ops_http_connections", worker="0") >= 1.0
    assert [found.series("ops_runs") for found in during] == [during[0].series("ops_runs")] * 2


def test_worker_that_hangs_is_missing_in_a_scrape_and_said_to_be(service: tuple[Workers, HeldModule]) -> None:
    running, _ = service
    client = running.client(1)
    with paused([running.pids[0]]):
        found = Scraped.of(client.get("/metrics").text)
    assert (list(found.values("ops_worker_up", worker="0")), found.value("ops_worker_up", worker="1")) == ([0.0], 1.0)
    assert {labels["worker"] for labels in found.series("ops_runs_ended_total")} == {"1"}


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Workers, HeldModule, Path]]:
    """Workers that ask for keys, and the file of those."""
    home = tmp_path_factory.mktemp("keyed")
    make_key(home / "keys.json", "nobody")
    with held_module() as module, workers(home, module, OPS_API_KEYS_FILE="keys.json") as service:
        yield service, module, home / "keys.json"


def test_button_of_a_page_reaches_a_run_of_another_worker_with_the_session_of_the_browser(
    keyed: tuple[Workers, HeldModule, Path],
) -> None:
    service, module, keys = keyed
    token = make_key(keys, "paula")
    first, other = service.client(0), service.client(1)
    browser = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
    session = first.post("/login", data={"key": token}, headers=browser).headers["set-cookie"].partition(";")[0]
    first.cookies.clear()
    answers, statuses = [], []
    for _ in range(4):
        run_id = first.post("/plan_and_execute", json=SCENARIO, headers=bearer(token) | AT_ONCE).json()["run_id"]
        module.asked.get()
        answers.append(other.post(f"/runs/{run_id}/cancel", data={}, headers=browser | {"Cookie": session}))
        statuses.append(first.get(f"/runs/{run_id}", headers=bearer(token)).json()["status"])
    assert [(answer.status_code, answer.headers["location"][:6]) for answer in answers] == [(303, "/runs/")] * 4
    assert statuses == ["cancelled"] * 4


def test_each_worker_asks_for_the_key_itself_and_what_they_pass_on_keeps_it(
    keyed: tuple[Workers, HeldModule, Path],
) -> None:
    service, module, keys = keyed
    anna, bob, rita = (bearer(make_key(keys, name, "read" if name == "rita" else "run")) for name in ("anna", "bob", "rita"))
    first, other = service.client(0), service.client(1)
    run_id = first.post("/plan_and_execute", json=SCENARIO, headers=anna | AT_ONCE).json()["run_id"]
    module.asked.get()
    forged = {"ops-run": run_id, "ops-caller": "127.0.0.1", "X-Forwarded-For": "127.0.0.1"}
    refused = [each.post(f"/runs/{run_id}/cancel", headers=headers) for each in (first, other) for headers in (forged, rita)]
    unread = [each.get(f"/runs/{run_id}", headers=forged) for each in (first, other)]
    cancelled = other.post(f"/runs/{run_id}/cancel", headers=bob)
    record = other.get(f"/runs/{run_id}", headers=rita).json()
    assert [answer.status_code for answer in refused] == [401, 403, 401, 403]
    assert [answer.status_code for answer in unread] == [401, 401]
    assert cancelled.status_code == 200
    assert (record["started_by"], record["cancelled_by"]) == ("anna", "bob")


def test_session_begins_and_ends_at_all_workers(keyed: tuple[Workers, HeldModule, Path]) -> None:
    service, _, keys = keyed
    first, other = service.client(0), service.client(1)
    form = {"Sec-Fetch-Site": "same-origin", "Content-Type": "application/x-www-form-urlencoded"}
    answer = first.post("/login", content=f"key={make_key(keys, 'carl')}", headers=form)
    cookie = {"Cookie": answer.headers["set-cookie"].partition(";")[0]}
    first.cookies.clear()
    seen = [each.get("/runs", headers=cookie).status_code for each in (first, other)]
    other.post("/logout", headers=form | cookie)
    after = [each.get("/runs", headers=cookie).status_code for each in (first, other)]
    assert (seen, after) == ([200, 200], [401, 401])


def test_stream_of_events_ends_with_its_key_wherever_its_run_is(keyed: tuple[Workers, HeldModule, Path]) -> None:
    service, module, keys = keyed
    module.opened.clear()
    anna, dora = bearer(make_key(keys, "anne")), bearer(make_key(keys, "dora"))
    run_id = service.client(0).post("/plan_and_execute", json=SCENARIO, headers=anna | AT_ONCE).json()["run_id"]
    module.asked.get()
    with ExitStack() as open_streams:
        streams = [
            open_streams.enter_context(service.client(worker).stream("GET", f"/runs/{run_id}/events", headers=headers))
            for worker in (0, 1)
            for headers in (anna, dora)
        ]
        lines = [stream.iter_lines() for stream in streams]
        for each in lines:
            while "step.started" not in next(each):
                pass
        revoke(keys, "anne")
        module.opened.set()
        rest = ["".join(each) for each in lines]
    assert ["run.ended" in each for each in rest] == [False, True, False, True]
