"""Runs that are accepted by some processes and executed by others, over a real database, a real file system, real signals."""

import json
import math
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest
from api_keys import make_key
from cluster_home import AT_ONCE, ClusterHome, HeldModules, Process, held_modules, post, start, status
from faulty_store import Fault, FaultyStore, faulty
from local_service import HTTP
from object_stores import credentials_for, new_prefix
from postgres import Postgres

from ops_orchestrator.runs.cluster.database import upgrade
from ops_orchestrator.runs.signing import make_keys, read_public_key
from ops_orchestrator.runs.store.folder_run import FolderRun
from ops_orchestrator.runs.verification import verify_run

pytestmark = pytest.mark.slow


Four = tuple[ClusterHome, Process, Process, Process]
Accepting = tuple[ClusterHome, Process]


@pytest.fixture(scope="module")
def modules() -> Iterator[HeldModules]:
    with held_modules() as modules:
        yield modules


def made_home(folder: Path, cluster: Postgres, modules: HeldModules) -> ClusterHome:
    database = cluster.database()
    upgrade(database)
    return ClusterHome(folder, database, modules)


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory, cluster: Postgres, modules: HeldModules) -> Iterator[Four]:
    """Two processes that accept runs and two that execute them, of which the last is one."""
    home = made_home(tmp_path_factory.mktemp("four"), cluster, modules)
    with home.api() as here, home.api() as there, home.worker() as worker, home.worker():
        yield home, here, there, worker


@pytest.fixture(scope="module")
def accepting(tmp_path_factory: pytest.TempPathFactory, cluster: Postgres, modules: HeldModules) -> Iterator[Accepting]:
    """A process that accepts runs, which nobody executes yet."""
    home = made_home(tmp_path_factory.mktemp("accepting"), cluster, modules)
    with home.api() as api:
        yield home, api


@pytest.fixture(autouse=True)
def fresh(modules: HeldModules) -> Iterator[None]:
    """Modules that nobody has called, and that answer at once."""
    modules.calls.clear()
    modules.held.clear()
    while not modules.asked.empty():
        modules.asked.get()
    yield
    for event in modules.held.values():
        event.set()


def wait_for(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.02)


def listed(api: Process, query: str = "") -> list[dict[str, Any]]:
    """The runs that a process lists."""
    runs: list[dict[str, Any]] = HTTP.get(f"{api.url}/runs?limit=500{query}").json()["runs"]
    return runs


def completed(api: Process) -> list[dict[str, Any]]:
    """The runs that are listed as completed."""
    return listed(api, "&status=completed")


def told(api: Process, run_id: str) -> list[str]:
    """The events of a run's log, as a process tells them."""
    return [json.loads(line)["event"] for line in HTTP.get(f"{api.url}/runs/{run_id}/logs").text.splitlines()]


def test_run_is_accepted_by_one_process_and_executed_by_another(four: Four) -> None:
    home, here, there, worker = four
    answer = post(here, "alpha", "beta")
    assert (answer.status_code, answer.json()["status"]) == (200, "completed")
    run_id = answer.json()["run_id"]
    assert answer.headers["Location"] == f"/runs/{run_id}"
    assert HTTP.get(f"{there.url}/runs/{run_id}/results").json() == HTTP.get(f"{here.url}/runs/{run_id}/results").json()
    assert [run["run_id"] for run in HTTP.get(f"{there.url}/runs?limit=1").json()["runs"]] == [run_id]
    assert home.events(run_id)[:3] == ["run.queued", "run.started", "step.started"]
    assert home.disagreements(run_id) == []
    assert HTTP.get(f"{worker.url}/ready").status_code == 200
    assert "ops_worker_up" in HTTP.get(f"{worker.url}/metrics").text
    assert 'ops_queue_runs{state="waiting"} 0.0' in HTTP.get(f"{here.url}/metrics").text


def test_runs_survive_a_restart_of_the_database(four: Four, cluster: Postgres) -> None:
    home, here, there, worker = four
    answered = home.modules.hold("beta")
    runs = [start(here, "alpha", "beta") for _ in range(4)]
    wait_for(lambda: all(("beta", run_id) in home.modules.calls for run_id in runs))
    cluster.stop()
    refused = post(here)
    answered.set()
    wait_for(lambda: any("queue.away" in line for line in worker.lines))
    cluster.start()
    wait_for(lambda: not any(home.is_queued(run_id) for run_id in runs))
    wait_for(lambda: HTTP.get(f"{there.url}/ready").status_code == 200)
    assert post(there).status_code == 200
    assert {status(there, run_id) for run_id in runs} == {"completed"}
    assert refused.status_code == 503
    wait_for(lambda: {run["run_id"] for run in completed(there)} >= {*runs})
    assert [home.modules.calls.count((name, run_id)) for run_id in runs for name in ("alpha", "beta")] == [1] * 8
    assert [home.disagreements(run_id) for run_id in runs] == [[]] * 4


def test_run_is_cancelled_through_another_process_than_accepted_it(four: Four) -> None:
    home, here, there, _worker = four
    home.modules.hold("alpha")
    run_id = start(here)
    wait_for(lambda: ("alpha", run_id) in home.modules.calls)
    answer = HTTP.post(f"{there.url}/runs/{run_id}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert "/cancel from 127.0.0.1" in answer.json()["error"]["message"]
    assert home.disagreements(run_id) == []


def test_cancelled_run_is_resumed_through_another_process(four: Four) -> None:
    home, here, there, _worker = four
    answered = home.modules.hold("beta")
    run_id = start(here, "alpha", "beta")
    wait_for(lambda: ("beta", run_id) in home.modules.calls)
    HTTP.post(f"{here.url}/runs/{run_id}/cancel")
    answered.set()
    answer = HTTP.post(f"{there.url}/runs/{run_id}/resume")
    assert (answer.status_code, answer.json()["status"]) == (200, "completed")
    assert home.modules.calls.count(("alpha", run_id)) == 1
    assert [line["attempt"] for line in home.log(run_id) if line["event"] == "run.started"] == [1, 2]
    assert home.disagreements(run_id) == []


def test_requests_with_one_key_make_one_run_whichever_processes_they_come_to(four: Four) -> None:
    home, here, there, _worker = four
    answered = home.modules.hold("alpha")
    with ThreadPoolExecutor(8) as callers:
        headers = {"Idempotency-Key": "once"}
        calls = [callers.submit(post, api, **headers) for api in (here, there) * 4]
        home.modules.asked.get()
        answered.set()
        answers = [call.result() for call in calls]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["run_id"] for answer in answers}) == 1
    assert len(home.modules.calls) == 1


def test_key_is_kept_for_its_request(four: Four) -> None:
    _home, here, there, _worker = four
    assert post(here, "alpha", **{"Idempotency-Key": "k"}).status_code == 200
    assert post(there, "alpha", "beta", **{"Idempotency-Key": "k"}).status_code == 422


def test_events_come_live_from_another_process(four: Four) -> None:
    home, here, there, _worker = four
    answered = home.modules.hold("alpha")
    run_id = start(here)
    with httpx2.Client(timeout=None) as client, client.sse(f"{there.url}/runs/{run_id}/events") as stream:
        events = (json.loads(event.data)["event"] for event in stream)
        assert [next(events) for _ in range(3)] == ["run.queued", "run.started", "step.started"]
        answered.set()
        assert list(events)[-1] == "run.ended"
        assert status(there, run_id) == "completed"


def test_stream_of_a_run_whose_documents_are_damaged_is_refused(four: Four) -> None:
    home, here, there, _ = four
    run_id = post(here).json()["run_id"]
    for name in ("logs.jsonl", "run.json"):
        (home.folder / "runs" / run_id / name).write_bytes(b"garbage")
    assert HTTP.get(f"{there.url}/runs/{run_id}/events").status_code == 500


def test_failed_step_is_answered_as_by_one_process(four: Four) -> None:
    _home, here, _there, _worker = four
    answer = post(here, "refusing")
    assert (answer.status_code, answer.json()["status"]) == (502, "failed")


def test_points_of_a_sweep_are_executed_by_workers(four: Four) -> None:
    _home, here, there, _worker = four
    sweep = {"scenario_id": "demo", "modules": ["alpha"], "sweep": {"seeds": 6}}
    sweep_id = HTTP.post(f"{here.url}/sweeps", json=sweep).json()["sweep_id"]
    wait_for(lambda: HTTP.get(f"{there.url}/sweeps/{sweep_id}").json()["status"] == "completed")
    assert len(HTTP.get(f"{there.url}/runs?sweep={sweep_id}").json()["runs"]) == 6


def test_run_is_reproduced_by_workers(four: Four) -> None:
    _home, here, there, _worker = four
    run_id = post(here).json()["run_id"]
    answer = HTTP.post(f"{there.url}/runs/{run_id}/reproduce")
    assert (answer.status_code, answer.json()["reproduction"]["grade"]) == (200, "identical")


def test_run_goes_on_when_its_worker_is_killed_and_no_completed_step_is_called_again(accepting: Accepting) -> None:
    home, api = accepting
    answered = home.modules.hold("beta")
    with home.worker() as first:
        run_id = start(api, "alpha", "beta")
        wait_for(lambda: ("beta", run_id) in home.modules.calls and "step.completed" in home.events(run_id))
        first.stop(signal.SIGKILL)
        with home.worker():
            wait_for(lambda: home.modules.calls.count(("beta", run_id)) == 2)
            answered.set()
            wait_for(lambda: status(api, run_id) == "completed")
    assert home.modules.calls.count(("alpha", run_id)) == 1
    assert [line["attempt"] for line in home.log(run_id) if line["event"] == "run.started"] == [1, 2]
    assert home.disagreements(run_id) == []


def test_worker_that_was_paused_for_too_long_leaves_a_folder_that_agrees_with_itself(accepting: Accepting) -> None:
    home, api = accepting
    answered = home.modules.hold("alpha")
    with home.worker() as paused:
        run_id = start(api, "alpha", "beta")
        wait_for(lambda: ("alpha", run_id) in home.modules.calls)
        paused.process.send_signal(signal.SIGSTOP)
        with home.worker():
            # It has the job now, and cannot have the folder, which a process that lives has locked.
            wait_for(lambda: {"run_id": run_id, "lost": 1} in home.jobs)
            answered.set()
            paused.process.send_signal(signal.SIGCONT)
            wait_for(lambda: status(api, run_id) == "completed")
            wait_for(lambda: not home.is_queued(run_id))
    assert [home.modules.calls.count((name, run_id)) for name in ("alpha", "beta")] == [1, 1]
    assert home.disagreements(run_id) == []


def test_worker_that_was_paused_for_too_long_changes_nothing_in_a_bucket(
    tmp_path: Path, database: str, modules: HeldModules, moto: str
) -> None:
    home = ClusterHome(tmp_path, database, modules, OPS_RUNS_URL=new_prefix(), **credentials_for(moto))
    answered = modules.hold("beta")
    with home.api(OPS_RUNS_DIR="api") as api, home.worker(OPS_RUNS_DIR="first") as paused:
        run_id = start(api, "alpha", "beta")
        wait_for(lambda: ("beta", run_id) in modules.calls and "step.completed" in told(api, run_id))
        paused.process.send_signal(signal.SIGSTOP)
        with home.worker(OPS_RUNS_DIR="second"):
            wait_for(lambda: modules.calls.count(("beta", run_id)) == 2)
            answered.set()
            wait_for(lambda: status(api, run_id) == "completed")
            paused.process.send_signal(signal.SIGCONT)
            wait_for(lambda: any("run.taken_over" in line for line in paused.lines))
            wait_for(lambda: not home.is_queued(run_id))
        events = told(api, run_id)
        assert HTTP.get(f"{api.url}/runs/{run_id}/verification").json()["intact"]
    assert (events.count("run.resumed"), events.count("run.ended")) == (1, 1)
    assert modules.calls.count(("alpha", run_id)) == 1


def test_run_whose_worker_died_before_its_end_was_listed_is_listed_as_over(
    tmp_path: Path, database: str, modules: HeldModules, moto: str
) -> None:
    home = ClusterHome(tmp_path, database, modules, OPS_RUNS_URL=new_prefix(), **credentials_for(moto))
    answered = modules.hold("alpha")
    with home.api(OPS_RUNS_DIR="api") as api:
        with home.worker(OPS_RUNS_DIR="first") as killed:
            run_id = start(api)
            wait_for(lambda: ("alpha", run_id) in modules.calls)
            with home.held("ops.runs"):
                answered.set()
                wait_for(lambda: status(api, run_id) == "completed")
                killed.stop(signal.SIGKILL)
        assert completed(api) == []
        with home.worker(OPS_RUNS_DIR="second"):
            wait_for(lambda: [run["run_id"] for run in completed(api)] == [run_id])
    assert modules.calls == [("alpha", run_id)]


def test_run_whose_maker_died_before_it_was_in_the_bucket_is_listed_no_more(
    tmp_path: Path, database: str, modules: HeldModules, before: FaultyStore
) -> None:
    home = ClusterHome(tmp_path, database, modules, OPS_RUNS_URL=new_prefix(), **credentials_for(before.url))
    log = before.stage(Fault("held", ending="/logs.jsonl"))
    with ThreadPoolExecutor(1) as pool, home.api(OPS_RUNS_DIR="first") as killed:
        refused = pool.submit(start, killed)
        log.met.wait()
        killed.stop(signal.SIGKILL)
        assert isinstance(refused.exception(), httpx2.TransportError)
    with home.api(OPS_RUNS_DIR="second") as api:
        assert [run["status"] for run in listed(api)] == ["queued"]
        with home.worker(OPS_RUNS_DIR="third"):
            wait_for(lambda: listed(api) == [])


def test_worker_whose_keys_the_bucket_refuses_leaves_the_run_in_the_queue_and_says_so(
    tmp_path: Path, database: str, modules: HeldModules, before: FaultyStore
) -> None:
    home = ClusterHome(tmp_path, database, modules, OPS_RUNS_URL=new_prefix(), **credentials_for(before.url))
    with home.api(OPS_RUNS_DIR="api") as api:
        run_id = start(api)
        refused = before.stage(Fault("status", times=math.inf, status=403, code="AccessDenied"))
        with home.worker(OPS_RUNS_DIR="worker") as worker:
            wait_for(lambda: any("run.put_off" in line and "AWS_ACCESS_KEY_ID" in line for line in worker.lines))
            assert (told(api, run_id), modules.calls) == (["run.queued"], [])
            refused.times = 0
            wait_for(lambda: status(api, run_id) == "completed")
        assert HTTP.get(f"{api.url}/runs/{run_id}/verification").json()["intact"]


def test_worker_that_wakes_while_another_takes_its_run_over_keeps_it(
    tmp_path: Path, database: str, modules: HeldModules, moto: str
) -> None:
    home = ClusterHome(tmp_path, database, modules, OPS_RUNS_URL=new_prefix(), **credentials_for(moto))
    first, second = modules.hold("alpha"), modules.hold("beta")
    with home.api(OPS_RUNS_DIR="api") as api, home.worker(OPS_RUNS_DIR="first") as paused, faulty(moto) as before:
        run_id = start(api, "alpha", "beta")
        wait_for(lambda: ("alpha", run_id) in modules.calls)
        paused.process.send_signal(signal.SIGSTOP)
        takes_over = before.stage(Fault("held", ending=f"{run_id}/logs.jsonl"))
        with home.worker(OPS_RUNS_DIR="second", **credentials_for(before.url)):
            takes_over.met.wait()
            first.set()
            paused.process.send_signal(signal.SIGCONT)
            wait_for(lambda: ("beta", run_id) in modules.calls)
            takes_over.released.set()
            # The other one is refused, and puts the run off.
            wait_for(lambda: {"run_id": run_id, "lost": 1} in home.jobs or status(api, run_id) != "running")
            second.set()
            wait_for(lambda: status(api, run_id) not in ("queued", "running"))
            wait_for(lambda: not home.is_queued(run_id))
            events = told(api, run_id)
            assert status(api, run_id) == "completed"
    assert (events.count("run.resumed"), events.count("run.ended")) == (0, 1)


def test_run_that_no_worker_survives_is_given_up_and_says_who_tried(accepting: Accepting) -> None:
    home, api = accepting
    home.modules.hold("alpha")
    with home.worker(OPS_MAX_ATTEMPTS="1") as first:
        run_id = start(api)
        wait_for(lambda: ("alpha", run_id) in home.modules.calls)
        first.stop(signal.SIGKILL)
        with home.worker(OPS_MAX_ATTEMPTS="1"):
            wait_for(lambda: status(api, run_id) == "errored")
        error = HTTP.get(f"{api.url}/runs/{run_id}").json()["error"]
    assert "1 workers were lost with the run" in error["message"]
    assert f"attempt 1 by {socket.gethostname()}:{first.process.pid} at 20" in error["message"]
    assert home.disagreements(run_id) == []


def test_worker_that_is_stopped_leaves_its_run_to_another_at_once(accepting: Accepting) -> None:
    home, api = accepting
    answered = home.modules.hold("alpha")
    # With these, nobody is taken for dead.
    with home.worker(OPS_STALLED_S="3600") as first, home.worker(OPS_STALLED_S="3600") as second:
        run_id = start(api)
        wait_for(lambda: ("alpha", run_id) in home.modules.calls)
        executor = home.log(run_id)[1]["executor"]
        had, other = (first, second) if executor.endswith(f":{first.process.pid}") else (second, first)
        assert had.stop() == 0
        wait_for(lambda: home.modules.calls.count(("alpha", run_id)) == 2)
        answered.set()
        wait_for(lambda: status(api, run_id) == "completed")
        assert other.stop() == 0
    assert home.disagreements(run_id) == []


def test_worker_that_drains_ends_its_run_and_takes_no_other(accepting: Accepting) -> None:
    home, api = accepting
    answered = home.modules.hold("alpha")
    with home.worker(OPS_DRAIN_S="3600") as worker:
        first = start(api)
        wait_for(lambda: ("alpha", first) in home.modules.calls)
        worker.process.send_signal(signal.SIGTERM)
        wait_for(lambda: any("service.draining" in line for line in worker.lines))
        second = start(api, "beta")
        assert HTTP.get(f"{worker.url}/ready").status_code == 503
        answered.set()
        assert worker.process.wait() == 0
        assert (status(api, first), status(api, second)) == ("completed", "queued")


def test_second_signal_stops_a_worker_that_drains(accepting: Accepting) -> None:
    home, api = accepting
    home.modules.hold("alpha")
    with home.worker(OPS_DRAIN_S="3600") as worker:
        run_id = start(api)
        wait_for(lambda: ("alpha", run_id) in home.modules.calls)
        worker.process.send_signal(signal.SIGTERM)
        wait_for(lambda: any("service.draining" in line for line in worker.lines))
        assert worker.stop() == 0
        assert {"run_id": run_id, "lost": 0} in home.jobs


def test_worker_ends_while_the_database_is_away_and_leaves_its_run(accepting: Accepting, cluster: Postgres) -> None:
    home, api = accepting
    answered = home.modules.hold("alpha")
    with home.worker() as worker:
        run_id = start(api)
        wait_for(lambda: ("alpha", run_id) in home.modules.calls)
        cluster.stop()
        try:
            assert worker.stop() == 0
        finally:
            cluster.start()
    answered.set()
    with home.worker():
        wait_for(lambda: status(api, run_id) == "completed")


def test_run_that_was_never_put_into_the_queue_is_found(accepting: Accepting) -> None:
    home, api = accepting
    run_id = start(api)
    home.forget_jobs()
    with home.worker():
        wait_for(lambda: status(api, run_id) == "completed")


def test_request_that_was_refused_after_its_run_was_made_is_sent_again_and_executed(accepting: Accepting) -> None:
    home, api = accepting
    key = {"Idempotency-Key": "refused once"}
    waiting = len(listed(api, "&status=queued"))
    with ThreadPoolExecutor(1) as pool:
        with home.held("procrastinate_jobs"):
            refused = pool.submit(post, api, **AT_ONCE, **key)
            wait_for(lambda: len(listed(api, "&status=queued")) > waiting)
        answer = refused.result()
    assert (answer.status_code, "same Idempotency-Key" in answer.json()["detail"]) == (503, True), answer.text
    run_id = start(api, **key)
    with home.worker():
        wait_for(lambda: status(api, run_id) == "completed")
    assert home.events(run_id).count("run.queued") == 1


def test_run_is_cancelled_by_whoever_takes_it_over(accepting: Accepting) -> None:
    home, api = accepting
    home.modules.hold("beta")
    with home.worker() as doomed:
        run_id = start(api, "alpha", "beta")
        wait_for(lambda: ("beta", run_id) in home.modules.calls)
        doomed.stop(signal.SIGKILL)
    with ThreadPoolExecutor(1) as caller:
        cancelling = caller.submit(HTTP.post, f"{api.url}/runs/{run_id}/cancel")
        wait_for(lambda: run_id in home.ordered)
        with home.worker():
            assert cancelling.result().json()["status"] == "cancelled"


def test_request_that_is_repeated_puts_a_run_into_the_queue_whose_process_died_before(accepting: Accepting) -> None:
    home, api = accepting
    run_id = start(api, **{"Idempotency-Key": "repeated"})
    home.forget_jobs()
    assert start(api, **{"Idempotency-Key": "repeated"}) == run_id
    assert home.is_queued(run_id)


def test_run_that_is_damaged_leaves_the_queue(accepting: Accepting) -> None:
    home, api = accepting
    run_id = start(api)
    (home.folder / "runs" / run_id / "logs.jsonl").write_bytes(b"garbage")
    with home.worker():
        wait_for(lambda: not home.is_queued(run_id))


def test_run_that_waits_is_cancelled_though_no_worker_lives(accepting: Accepting) -> None:
    home, api = accepting
    run_id = start(api)
    answer = HTTP.post(f"{api.url}/runs/{run_id}/cancel")
    assert (answer.status_code, answer.json()["status"], home.modules.calls) == (200, "cancelled", [])
    assert home.events(run_id) == ["run.queued", "run.cancelling", "run.ended"]
    assert {"run_id": run_id, "lost": 0} not in home.jobs
    assert home.disagreements(run_id) == []


def test_run_that_waits_longer_than_its_deadline_ends_though_no_worker_lives(accepting: Accepting) -> None:
    home, api = accepting
    scenario = {"scenario_id": "demo", "modules": ["alpha"], "run_options": {"deadline_s": 0.5}}
    answer = HTTP.post(f"{api.url}/plan_and_execute", json=scenario)
    assert (answer.json()["status"], answer.json()["error"]["code"]) == ("failed", "RUN_DEADLINE")
    assert "it waited for its turn" in answer.json()["error"]["message"]
    run_id = answer.json()["run_id"]
    assert (home.events(run_id), home.modules.calls, home.is_queued(run_id)) == (["run.queued", "run.ended"], [], False)


def test_run_whose_deadline_passed_in_the_queue_is_ended_by_the_worker_that_gets_it(
    tmp_path: Path, cluster: Postgres, modules: HeldModules
) -> None:
    home = made_home(tmp_path, cluster, modules)
    scenario = {"scenario_id": "demo", "modules": ["alpha"], "run_options": {"deadline_s": 2.0}}
    with home.api() as api:
        run_id = HTTP.post(f"{api.url}/plan_and_execute", json=scenario, headers=AT_ONCE).json()["run_id"]
        accepted = time.monotonic()
        api.stop(signal.SIGKILL)
    assert home.is_queued(run_id)
    wait_for(lambda: time.monotonic() > accepted + 2.0)
    with home.worker():
        wait_for(lambda: "run.ended" in home.events(run_id))
    assert (home.log(run_id)[-1]["error"]["code"], home.modules.calls) == ("RUN_DEADLINE", [])


def test_service_that_executes_what_it_accepts_shares_it_with_others(accepting: Accepting) -> None:
    home, api = accepting
    with home.serving(OPS_WORKERS="2") as other:
        runs = [post(each, "alpha", "beta").json() for each in (api, other) * 3]
        assert {run["status"] for run in runs} == {"completed"}
        assert [status(other, run["run_id"]) for run in runs] == ["completed"] * 6


def test_caller_hears_that_the_run_goes_on_when_the_process_stops(four: Four) -> None:
    home, _here, there, _worker = four
    answered = home.modules.hold("alpha")
    with home.api() as stopped, ThreadPoolExecutor() as elsewhere:
        call = elsewhere.submit(post, stopped)
        _, run_id = home.modules.asked.get()
        assert stopped.stop() == 0
        assert (call.result().status_code, call.result().json()["status"]) == (202, "running")
        answered.set()
        wait_for(lambda: status(there, run_id) == "completed")


def test_runs_of_workers_are_signed_also_after_a_kill_and_a_worker_without_the_key_takes_none(
    tmp_path: Path, cluster: Postgres, modules: HeldModules
) -> None:
    home = made_home(tmp_path, cluster, modules)
    private, public = make_keys()
    (tmp_path / "key").write_bytes(private)
    (tmp_path / "key.pub").write_bytes(public)
    key = {"OPS_SIGNING_KEY": str(tmp_path / "key")}
    with home.api(**key) as api:
        with home.worker() as without_key:
            run_id = start(api, "alpha", "beta")
            wait_for(lambda: any("run.put_off" in line and "OPS_SIGNING_KEY" in line for line in without_key.lines))
        assert home.events(run_id) == ["run.queued"]
        let_go = home.modules.hold("beta")
        with home.worker(**key) as killed:
            wait_for(lambda: ("beta", run_id) in home.modules.calls)
            killed.stop(signal.SIGKILL)
        let_go.set()
        with home.worker(**key):
            wait_for(lambda: status(api, run_id) == "completed")
    assert home.modules.calls.count(("alpha", run_id)) == 1
    verification = verify_run(FolderRun(tmp_path / "runs", run_id), [read_public_key(str(tmp_path / "key.pub"))])
    assert (verification.findings, verification.is_trusted) == ((), True)


def test_browser_that_logged_in_at_one_process_is_known_to_another_until_it_logs_out(
    tmp_path: Path, cluster: Postgres, modules: HeldModules
) -> None:
    home = made_home(tmp_path, cluster, modules)
    browser = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin", "Host": "localhost"}
    form = browser | {"Content-Type": "application/x-www-form-urlencoded", "Origin": "http://localhost"}
    keys = tmp_path / "keys.json"
    token = make_key(keys, "anna")
    with home.api(OPS_API_KEYS_FILE=str(keys)) as here, home.api(OPS_API_KEYS_FILE=str(keys)) as there:
        with httpx2.Client() as client:
            logged_in = client.post(f"{here.url}/login", content=f"key={token}", headers=form)
            session = browser | {"Cookie": logged_in.headers["set-cookie"].partition(";")[0]}
        assert [HTTP.get(f"{each.url}/", headers=session).status_code for each in (here, there)] == [200, 200]
        with httpx2.Client() as client:
            client.post(f"{here.url}/logout", headers=form | session)
        assert HTTP.get(f"{here.url}/", headers=session).status_code == 303
        wait_for(lambda: HTTP.get(f"{there.url}/", headers=session).status_code == 303)
