"""`ops sweep` in a process of its own and against a service, as a person or a program uses it."""

import json
import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from command_line import on_terminal, ops
from held_module import HeldModule
from local_service import ROOT, service, started
from scripted_module import modules_yaml

pytestmark = pytest.mark.slow

SWEEP = {
    "scenario_id": "demo",
    "modules": ["alpha"],
    "inputs": {"rate": 0.2},
    "sweep": {"parameters": {"/rate": [0.1, 0.2, 0.3, 0.4]}, "concurrency": 1},
}


@pytest.fixture
def home(home: Path) -> Path:
    (home / "sweep.json").write_text(json.dumps(SWEEP))
    return home


def sweep(home: Path, *words: str, **variables: str) -> Any:
    """What `ops sweep WORDS` prints, as a program reads it."""
    ran = ops(home, "sweep", *words, OPS_MODULES_FILE="modules.yaml", **variables)
    assert ran.returncode in (0, 1), ran.stderr
    return json.loads(ran.stdout)


def calls(held: HeldModule) -> Counter[float]:
    return Counter(json.loads(body)["inputs"]["rate"] for body in held.bodies)


def points(home: Path) -> list[dict[str, Any]]:
    """The points that are over, as the only sweep has noted them; a line that is being written is not read."""
    lines = [line for file in home.glob("runs/sweeps/*/points.jsonl") for line in file.read_bytes().splitlines(keepends=True)]
    return [json.loads(line) for line in lines if line.endswith(b"\n")]


def test_sweep_runs_without_a_service_and_says_where_everything_is(home: Path, held: HeldModule) -> None:
    held.opened.set()
    ran = ops(home, "sweep", "sweep.json", "--local", OPS_MODULES_FILE="modules.yaml")
    answer = json.loads(ran.stdout)
    assert (ran.returncode, answer["status"], answer["points"]["completed"]) == (0, "completed", 4)
    assert {"table.csv", "table.parquet", "growth.svg"} <= {path.name for path in (home / answer["sweep_path"]).iterdir()}
    listed = json.loads(ops(home, "runs", "list", "--json").stdout)
    assert {run["sweep"] for run in listed} == {answer["sweep_id"]}
    assert [each["sweep_id"] for each in sweep(home, "list")] == [answer["sweep_id"]]
    assert sweep(home, "show", "latest") == answer


def test_local_sweep_that_is_killed_goes_on_and_runs_nothing_twice(home: Path, held: HeldModule) -> None:
    held.opened.set()
    (home / "sweep.json").write_text(json.dumps(SWEEP | {"sweep": {"parameters": {"/rate": [*range(60)]}, "concurrency": 2}}))
    with started(home, "ops", "sweep", "sweep.json", "--local", OPS_MODULES_FILE="modules.yaml") as process:
        while len(noted := points(home)) < 3:
            pass
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    left = sweep(home, "show", "latest")
    assert (left["status"], left["points"]["completed"] >= len(noted)) == ("interrupted", True)
    again = sweep(home, "resume", "latest", "--local")
    assert (again["status"], again["points"]["completed"], again["attempt"]) == ("completed", 60, 2)
    assert len(json.loads(ops(home, "runs", "list", "--json", "--limit", "500").stdout)) == 60
    # What was under way is sent again, with the same key; all else once.
    assert len(held.bodies) <= 62
    assert all(calls(held)[point["number"] - 1] == 1 for point in noted)


def test_interrupted_local_sweep_says_how_to_go_on(home: Path, held: HeldModule) -> None:
    with started(home, "ops", "sweep", "sweep.json", "--local", OPS_MODULES_FILE="modules.yaml") as process:
        held.asked.get()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
        assert process.returncode == 130
    left = sweep(home, "show", "latest")
    assert left["status"] == "interrupted"
    assert f"ops sweep resume {left['sweep_id']} --local" in errors
    _, shown = on_terminal(home, "sweep", "show", "latest")
    assert ("folder" in shown, "files" in shown) == (True, False), shown
    held.opened.set()
    assert sweep(home, "resume", "latest", "--local")["status"] == "completed"
    assert calls(held) == {0.1: 2, 0.2: 1, 0.3: 1, 0.4: 1}


def test_local_sweep_is_cancelled_from_another_terminal(home: Path, held: HeldModule) -> None:
    with started(home, "ops", "sweep", "sweep.json", "--local", OPS_MODULES_FILE="modules.yaml") as process:
        held.asked.get()
        cancelled = ops(home, "sweep", "cancel", "latest", "--local")
        output, errors = process.communicate()
        assert (cancelled.returncode, process.returncode) == (0, 1)
        assert json.loads(output)["status"] == "cancelled"
        assert "ops: the sweep was cancelled: ops sweep cancel --local; `ops sweep resume sweep_" in errors
    again = ops(home, "sweep", "cancel", "latest", "--local")
    assert (again.returncode, "is cancelled: only a sweep that is running can be cancelled" in again.stderr) == (2, True)


def test_service_runs_a_sweep_that_goes_on_without_its_caller(home: Path, held: HeldModule) -> None:
    with service(home, "ops", "serve", "--port", "0", OPS_MODULES_FILE="modules.yaml") as (_, url):
        with started(home, "ops", "sweep", "sweep.json", "--url", url) as process:
            held.asked.get()
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate()
            assert process.returncode == 130
        sweep_id = sweep(home, "show", "latest")["sweep_id"]
        assert f"ops sweep cancel {sweep_id}" in errors
        cancelled = sweep(home, "cancel", "latest", "--url", url)
        assert cancelled["status"] == "cancelled"
        held.opened.set()
        resumed = sweep(home, "resume", sweep_id.removeprefix("sweep_"), "--url", url)
        assert (resumed["status"], resumed["points"]["completed"]) == ("completed", 4)


def test_terminal_shows_failed_points_and_the_next_command(home: Path) -> None:
    (home / "modules.yaml").write_text(modules_yaml(["alpha"]).replace("http://alpha.test", "http://127.0.0.1:9"))
    code, shown = on_terminal(home, "sweep", "sweep.json", "--local", OPS_MODULES_FILE="modules.yaml")
    assert code == 1
    assert "4 of 4 points done, 4 failed" in shown
    assert "rate=0.1" in shown
    assert "Next: ops sweep resume sweep_" in shown


def test_input_that_is_nearly_called_as_one_of_the_scenario_is_refused(home: Path) -> None:
    (home / "sweep.json").write_text(json.dumps(SWEEP | {"sweep": {"parameters": {"/rat": [1]}}}))
    ran = ops(home, "sweep", "sweep.json", "--local", OPS_MODULES_FILE="modules.yaml")
    assert (ran.returncode, "/rat is not an input of the scenario; did you mean /rate?" in ran.stderr) == (2, True)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("sweep.json", "--url", "http://127.0.0.1:9"), 3, "or add --local to do without a service"),
        (("nothing.json",), 2, "cannot read nothing.json"),
        (("show", "latest"), 2, "there is no run store"),
        (("run",), 2, "missing argument 'file'"),
    ],
)
def test_sweep_that_cannot_be_started_says_what_to_do(home: Path, words: tuple[str, ...], code: int, message: str) -> None:
    ran = ops(home, "sweep", *words, OPS_MODULES_FILE="modules.yaml")
    assert (ran.returncode, message in ran.stderr.lower()) == (code, True), ran.stderr


def test_file_that_is_no_sweep_is_refused_where_it_is_wrong(home: Path) -> None:
    (home / "sweep.json").write_text(json.dumps(SWEEP | {"sweep": {"parameters": {"/rate": {"from": 1}}}}))
    ran = ops(home, "sweep", "sweep.json")
    assert ran.returncode == 2
    assert "sweep.json cannot be run as a sweep" in ran.stderr
    assert "/sweep/parameters/~1rate: to is required; step is required" in ran.stderr


def test_scenario_with_a_sweep_is_not_run_as_one_run(home: Path) -> None:
    ran = ops(home, "run", "sweep.json")
    assert (ran.returncode, "run it with `ops sweep sweep.json`" in ran.stderr) == (2, True)


@pytest.mark.parametrize("name", ["vat.json", "two-parameters.json"])
def test_shipped_sweep_is_valid(tmp_path: Path, name: str) -> None:
    ran = ops(tmp_path, "validate", str(ROOT / "examples" / "sweeps" / name), str(ROOT / "modules.yaml"))
    sizes = {"vat.json": "100 points", "two-parameters.json": "25 points"}
    assert (ran.returncode, f"1 step, {sizes[name]}\n" in ran.stdout) == (0, True), ran.stdout
