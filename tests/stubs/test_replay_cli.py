"""`ops-stubs serve NAME --from RUN_FOLDER`: whole runs against recorded modules, and folders that nothing can be taken from."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from subprocess import Popen

import httpx2
import pytest
from fastapi import FastAPI
from recorded_run import copy, document, received, replace, run, scenario, sent
from typer.testing import CliRunner

from ops_stubs.app import create_all, create_replay
from ops_stubs.cli import cli
from ops_stubs.recording import read_recording
from ops_stubs.replay import Replay

Serve = Callable[..., AbstractContextManager[tuple["Popen[str]", int]]]
Change = Callable[[Path], object]

SIMULATOR = "steps/1-policy-simulator"
LEGACY = """{"url": "http://stubs/legacy", "adapter": {"actions": {"forecast": {"path": "/forecast", "body":
"{'country_code': 'DO', 'years': 2, 'seed': 1}", "outputs": "{'rows': response.body.rows}"}}}}"""


def refused(*arguments: str) -> str:
    """What is said of a serve that is refused as a usage error."""
    result = CliRunner().invoke(cli, ["serve", *arguments])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Traceback" not in result.stderr
    return result.stderr


def test_serve_from_a_run_answers_as_the_module_did(recorded: Path, serve: Serve) -> None:
    with serve("policy-simulator", "--from", str(recorded), "--admin") as (process, port):
        assert process.stderr is not None
        assert process.stderr.readline() == "staged: nothing yet; admin API at /__stub\n"
        answer = httpx2.post(f"http://127.0.0.1:{port}/execute", json=sent(recorded))
    assert (answer.status_code, answer.content) == (200, received(recorded))


def test_run_against_recorded_modules_finds_the_same_and_names_what_differs(recorded: Path, tmp_path: Path) -> None:
    modules = FastAPI()
    for name in ("policy-simulator", "strategy-agent"):
        modules.mount(f"/{name}", create_replay(Replay(read_recording(recorded), name)))
    again = run(tmp_path, scenario(), app=modules)
    otherwise = run(tmp_path, scenario(time_horizon_years=6), app=modules)
    first, second, failed = document(recorded), document(again), document(otherwise)
    assert (second["status"], second["fingerprints"]) == ("completed", first["fingerprints"])
    assert (again / "artifacts/policy-simulator/plot.png").read_bytes() == (
        recorded / "artifacts/policy-simulator/plot.png"
    ).read_bytes()
    assert (failed["status"], failed["error"]["step"]) == ("failed", "policy-simulator")
    assert "/inputs/time_horizon_years (recorded 5, sent 6)" in failed["error"]["message"]


def forget(name: str) -> Change:
    return lambda folder: (folder / name).unlink()


def cut(name: str) -> Change:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-20])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (forget("run.json"), "is not a run folder: its run.json cannot be read (No such file or directory)"),
        (cut("run.json"), "is not a run folder: its run.json is not JSON"),
        (lambda folder: (folder / "run.json").write_text("{}"), "is not a run folder: run.json: /run_id: is required"),
        (forget(f"{SIMULATOR}/response.json"), f"{SIMULATOR}/response.json in"),
        (forget(f"{SIMULATOR}/request.json"), f"{SIMULATOR}/request.json in"),
        (cut(f"{SIMULATOR}/response.json"), "is truncated or was changed"),
        (cut(f"{SIMULATOR}/request.json"), "is truncated or was changed"),
        (forget("artifacts/policy-simulator/plot.png"), "plot.png in"),
        (cut("artifacts/policy-simulator/plot.png"), "is truncated or was changed"),
        (lambda folder: replace(folder, "1-policy-simulator", "request", b"{}"), "is not a request of the contract"),
    ],
)
def test_serve_from_a_damaged_folder_says_what_is_wrong(recorded: Path, tmp_path: Path, change: Change, sentence: str) -> None:
    folder = copy(recorded, tmp_path)
    change(folder)
    assert sentence in refused("policy-simulator", "--from", str(folder))


def test_serve_from_a_folder_that_is_not_there_says_so(tmp_path: Path) -> None:
    assert "is not a run folder" in refused("policy-simulator", "--from", str(tmp_path / "nowhere"))


def test_serve_of_a_module_without_a_step_names_those_that_have_one(recorded: Path) -> None:
    said = refused("monitor", "--from", str(recorded))
    assert "has no step of 'monitor'; its steps are those of policy-simulator, strategy-agent" in said


def test_serve_from_a_run_without_a_name_asks_for_one(recorded: Path) -> None:
    assert "name one: policy-simulator, strategy-agent" in refused("--from", str(recorded))


def test_serve_of_a_step_that_was_never_reached_says_so(tmp_path: Path) -> None:
    folder = run(tmp_path, scenario(policy_parameters={"vat_rate": 7}))
    assert "no step of 'strategy-agent' was answered" in refused("strategy-agent", "--from", str(folder))


def test_serve_from_a_run_that_kept_no_artifacts_says_so(tmp_path: Path) -> None:
    folder = run(tmp_path, scenario(["data-layer"], save_artifacts=False))
    assert "because the run had save_artifacts: false" in refused("data-layer", "--from", str(folder))


def test_serve_of_a_module_with_an_adapter_says_why_not(tmp_path: Path) -> None:
    folder = run(tmp_path, scenario(["forecast"]), {"forecast": json.loads(LEGACY)}, create_all())
    assert "'forecast' was called through an adapter" in refused("forecast", "--from", str(folder))


def test_serve_from_a_run_with_a_violation_of_executions_is_refused(recorded: Path) -> None:
    said = refused("policy-simulator", "--from", str(recorded), "--violate", "OPS-DET-001")
    assert "a recording executes none" in said
