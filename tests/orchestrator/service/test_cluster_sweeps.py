"""Sweeps that one process accepts, and that others show, cancel, and go on with; over a real database and real signals."""

import json
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cluster_home import ClusterHome, HeldModules, Process, held_modules, post
from local_service import HTTP
from object_stores import credentials_for, new_prefix
from postgres import Postgres

from ops_orchestrator.runs.cluster.database import upgrade

pytestmark = pytest.mark.slow

Three = tuple[ClusterHome, Process, Process]


@pytest.fixture(scope="module")
def modules() -> Iterator[HeldModules]:
    with held_modules() as modules:
        yield modules


@pytest.fixture(autouse=True)
def fresh(modules: HeldModules) -> Iterator[None]:
    """Modules that nobody has called, and that answer at once."""
    modules.calls.clear()
    modules.held.clear()
    yield
    for event in modules.held.values():
        event.set()


@pytest.fixture
def home(tmp_path: Path, cluster: Postgres, modules: HeldModules) -> ClusterHome:
    return made_home(tmp_path, cluster, modules)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory, cluster: Postgres, modules: HeldModules) -> Iterator[Three]:
    """Two processes that accept sweeps, and one that executes their runs."""
    home = made_home(tmp_path_factory.mktemp("three"), cluster, modules)
    with home.api() as here, home.api() as there, home.worker():
        yield home, here, there


def made_home(folder: Path, cluster: Postgres, modules: HeldModules) -> ClusterHome:
    database = cluster.database()
    upgrade(database)
    return ClusterHome(folder, database, modules)


def wait_for(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.02)


def swept(api: Process, *modules: str, points: int, **headers: str) -> str:
    """Have a sweep of `modules` accepted; returns its id."""
    asked = {"scenario_id": "demo", "modules": list(modules or ("alpha",)), "sweep": {"seeds": points}}
    answer = HTTP.post(f"{api.url}/sweeps", json=asked, headers=headers)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["sweep_id"])


def found(api: Process, path: str) -> Any:
    answer = HTTP.get(f"{api.url}{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def is_over(api: Process, sweep_id: str) -> bool:
    return bool(found(api, f"/sweeps/{sweep_id}")["status"] != "running")


def runs_of(api: Process, sweep_id: str) -> list[dict[str, Any]]:
    runs: list[dict[str, Any]] = found(api, f"/runs?sweep={sweep_id}&limit=500")["runs"]
    return runs


def waiting(home: ClusterHome) -> int:
    """How many runs wait in the queue."""
    with psycopg.connect(home.variables["OPS_DATABASE_URL"]) as connection:
        query = "SELECT count(*) FROM procrastinate_jobs WHERE queue_name = 'runs' AND status = 'todo'"
        [(count,)] = connection.execute(query).fetchall()
    return int(count)


def test_sweep_is_the_same_at_each_process(three: Three) -> None:
    _home, here, there = three
    sweep_id = swept(here, points=6)
    wait_for(lambda: is_over(there, sweep_id))
    for path in ("", "/points"):
        assert found(there, f"/sweeps/{sweep_id}{path}") == found(here, f"/sweeps/{sweep_id}{path}")
    assert [sweep["sweep_id"] for sweep in found(there, "/sweeps?limit=1")["sweeps"]] == [sweep_id]
    tables = [HTTP.get(f"{api.url}/sweeps/{sweep_id}/table.csv").text for api in (here, there)]
    assert tables[0] == tables[1]
    assert len(tables[0].splitlines()) == 7
    page = HTTP.get(f"{there.url}/sweeps/{sweep_id}", headers={"Accept": "text/html"})
    assert (page.status_code, sweep_id in page.text) == (200, True)


def test_idempotency_key_of_a_sweep_is_known_to_each_process(three: Three) -> None:
    _home, here, there = three
    assert swept(here, points=2, **{"Idempotency-Key": "a"}) == swept(there, points=2, **{"Idempotency-Key": "a"})


def test_sweep_is_cancelled_and_resumed_at_another_process(three: Three) -> None:
    home, here, there = three
    answered = home.modules.hold("alpha")
    sweep_id = swept(here, points=100)
    wait_for(lambda: bool(home.modules.calls))
    assert HTTP.post(f"{there.url}/sweeps/{sweep_id}/cancel").status_code in (200, 202)
    wait_for(lambda: is_over(here, sweep_id))
    assert found(there, f"/sweeps/{sweep_id}")["status"] == "cancelled"
    cut_off = runs_of(here, sweep_id)
    assert {run["status"] for run in cut_off} == {"cancelled"}
    answered.set()
    assert HTTP.post(f"{there.url}/sweeps/{sweep_id}/resume").status_code == 202
    wait_for(lambda: is_over(here, sweep_id))
    assert found(here, f"/sweeps/{sweep_id}")["points"]["completed"] == 100
    assert len(runs_of(here, sweep_id)) == 100


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_sweep_whose_process_ends_goes_on_elsewhere_and_each_point_has_one_run(
    home: ClusterHome, ending: signal.Signals
) -> None:
    with home.serving(OPS_MAX_CONCURRENT_RUNS="4", OPS_DRAIN_S="0") as first:
        sweep_id = swept(first, points=60)
        wait_for(lambda: len(home.modules.calls) > 20)
        answered = home.modules.hold("alpha")
        first.stop(ending)
    answered.set()
    with home.serving() as second:
        assert found(second, f"/sweeps/{sweep_id}")["error"] is None
        wait_for(lambda: is_over(second, sweep_id))
        state = found(second, f"/sweeps/{sweep_id}")
        assert (state["status"], state["points"]["completed"], state["attempt"], state["drivers"]) == ("completed", 60, 1, 2)
        points = found(second, f"/sweeps/{sweep_id}/points?limit=1000")["points"]
        assert sorted(point["run_id"] for point in points) == sorted(run["run_id"] for run in runs_of(second, sweep_id))
        assert len(points) == 60
        wait_for(lambda: home.jobs == [])


def test_failed_points_are_not_run_again_by_whoever_takes_the_sweep_over(home: ClusterHome) -> None:
    with home.serving(OPS_MAX_CONCURRENT_RUNS="2") as first:
        sweep_id = swept(first, "refusing", points=40)
        failed = f"/sweeps/{sweep_id}/points?status=failed"
        wait_for(lambda: len(found(first, failed)["points"]) >= 2)
        answered = home.modules.hold("refusing")
        noted = [point["run_id"] for point in found(first, failed)["points"]]
        first.stop(signal.SIGKILL)
    answered.set()
    with home.serving() as second:
        wait_for(lambda: is_over(second, sweep_id))
        assert found(second, f"/sweeps/{sweep_id}")["points"]["failed"] == 40
    assert [home.modules.calls.count(("refusing", run_id)) for run_id in noted] == [1] * len(noted)


def test_sweep_that_was_cancelled_while_nobody_drove_it_ends_with_its_runs(home: ClusterHome) -> None:
    home.modules.hold("alpha")
    with home.api() as first, home.worker() as worker:
        sweep_id = swept(first, points=20)
        wait_for(lambda: bool(home.modules.calls))
        worker.stop(signal.SIGKILL)
        first.stop(signal.SIGKILL)
    word = home.folder / "runs" / "sweeps" / sweep_id / ".cancel"
    word.write_text("an operator")
    with home.api() as second, home.worker():
        wait_for(lambda: is_over(second, sweep_id))
        assert found(second, f"/sweeps/{sweep_id}")["status"] == "cancelled"
        assert {run["status"] for run in runs_of(second, sweep_id)} == {"cancelled"}


def test_points_wait_in_the_queue_in_small_numbers_so_that_other_runs_get_in(home: ClusterHome) -> None:
    with home.api(OPS_MAX_CONCURRENT_RUNS="4", OPS_MAX_QUEUED_RUNS="8") as api:
        sweep_id = swept(api, points=40)
        wait_for(lambda: waiting(home) >= 4)
        assert post(api, Prefer="respond-async").status_code == 202
        assert waiting(home) <= 6
        with home.worker():
            wait_for(lambda: is_over(api, sweep_id))
        assert len(runs_of(api, sweep_id)) == 40


def test_sweep_that_was_lost_from_the_queue_is_put_there_again(home: ClusterHome) -> None:
    with home.api() as first:
        sweep_id = swept(first, points=3)
        first.stop(signal.SIGKILL)
    home.forget_jobs()
    with home.api() as second, home.worker():
        wait_for(lambda: is_over(second, sweep_id))
        assert found(second, f"/sweeps/{sweep_id}")["status"] == "completed"
        assert json.loads((home.folder / "runs" / "sweeps" / sweep_id / "sweep.json").read_bytes())["drivers"] >= 1


def test_sweep_in_a_bucket_goes_on_at_another_machine_and_the_process_that_wakes_is_refused(
    tmp_path: Path, cluster: Postgres, modules: HeldModules, moto: str
) -> None:
    database = cluster.database()
    upgrade(database)
    home = ClusterHome(tmp_path, database, modules, OPS_RUNS_URL=new_prefix(), **credentials_for(moto))
    with home.serving(OPS_RUNS_DIR="first", OPS_MAX_CONCURRENT_RUNS="4") as paused:
        sweep_id = swept(paused, points=30)
        wait_for(lambda: len(modules.calls) > 8)
        paused.process.send_signal(signal.SIGSTOP)
        with home.serving(OPS_RUNS_DIR="second") as second:
            wait_for(lambda: found(second, f"/sweeps/{sweep_id}").get("drivers") == 2)
            paused.process.send_signal(signal.SIGCONT)
            wait_for(lambda: any("sweep.fenced" in line for line in paused.lines))
            wait_for(lambda: is_over(second, sweep_id))
            for api in (paused, second):
                state = found(api, f"/sweeps/{sweep_id}")
                assert (state["status"], state["points"]["completed"], state["drivers"]) == ("completed", 30, 2)
            points = found(paused, f"/sweeps/{sweep_id}/points?limit=1000")["points"]
            assert sorted(point["run_id"] for point in points) == sorted(run["run_id"] for run in runs_of(second, sweep_id))
            assert len(points) == 30
            table = HTTP.get(f"{paused.url}/sweeps/{sweep_id}/table.csv").text
            assert len(table.splitlines()) == 31
