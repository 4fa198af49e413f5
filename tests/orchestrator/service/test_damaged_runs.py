"""Runs that cannot be used, over HTTP and on the command line."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import ops
from local_service import HTTP, service
from run_records import GOOD, RUN_ID, leave, store_two_runs
from scripted_module import StartService, modules_yaml

from ops_orchestrator.runs.store.sqlite_index import FILE_NAME

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the run RUN_ID, whose record has no scenario, beside that of the whole run GOOD."""
    store_two_runs(tmp_path / "runs")
    folder = tmp_path / "runs" / RUN_ID
    record = json.loads((folder / "run.json").read_bytes())
    (folder / "run.json").write_text(json.dumps(record | {"request": {}}))
    return folder


@pytest.fixture
def interrupted(tmp_path: Path) -> Path:
    """The folder of the run RUN_ID, which a dead service left: the next one ends it as interrupted."""
    store_two_runs(tmp_path / "runs")
    folder = tmp_path / "runs" / RUN_ID
    leave(folder)
    (tmp_path / "runs" / FILE_NAME).unlink()  # it knows the run as over
    return folder


@pytest.fixture
def endless(interrupted: Path) -> Path:
    """The same, whose modules.json is not the one that its log names, so that nobody can end it."""
    with (interrupted / "modules.json").open("a") as modules:
        modules.write(" ")
    return interrupted


async def test_damaged_run_stands_in_the_list_with_the_reason(start_service: StartService, folder: Path) -> None:
    async with start_service() as client:
        listed = {run["run_id"]: run for run in (await client.get("/runs")).json()["runs"]}
        damaged = (await client.get("/runs", params={"status": "damaged"})).json()["runs"]
    assert {run_id: run["status"] for run_id, run in listed.items()} == {folder.name: "damaged", GOOD: "completed"}
    assert listed[RUN_ID]["reason"] == "run.json: /request: must have scenario_id as in a scenario"
    assert set(listed[RUN_ID]) - set(listed[GOOD]) == {"reason"}
    assert damaged == [listed[RUN_ID]]


async def test_damaged_run_itself_is_a_problem_with_the_reason(start_service: StartService, folder: Path) -> None:
    async with start_service() as client:
        answer = await client.get(f"/runs/{folder.name}")
        results = await client.get(f"/runs/{folder.name}/results")
    assert (answer.status_code, answer.json()["type"]) == (500, "urn:openpolicystack:problem:damaged-run")
    assert "run.json is damaged: /request: must have scenario_id" in answer.json()["detail"]
    assert results.status_code == 200


async def test_run_that_cannot_be_ended_is_a_problem_with_the_reason_for_which_it_is_listed(
    start_service: StartService, endless: Path
) -> None:
    async with start_service() as client:
        listed = {run["run_id"]: run for run in (await client.get("/runs")).json()["runs"]}
        answers = [await client.get(f"/runs/{endless.name}"), await client.post(f"/runs/{endless.name}/cancel")]
    assert listed[RUN_ID]["reason"] == "modules.json: the file is missing or has other content"
    for answer in answers:
        assert (answer.status_code, answer.json()["type"]) == (500, "urn:openpolicystack:problem:damaged-run")
        assert "modules.json is damaged: the file is missing or has other content" in answer.json()["detail"]


def test_following_a_run_that_cannot_be_ended_ends_with_the_reason(tmp_path: Path, endless: Path) -> None:
    (tmp_path / "modules.yaml").write_text(modules_yaml(["alpha"]))
    log = (endless / "logs.jsonl").read_text()
    with service(tmp_path, "ops", "serve", "--port", "0") as (_, url):
        followed = ops(tmp_path, "runs", "logs", RUN_ID, "--follow", "--url", url)
    assert (followed.returncode, followed.stdout) == (2, log)
    assert "modules.json is damaged: the file is missing or has other content" in followed.stderr


def ask_for_nothing(log: Path) -> None:
    """Have the log say that no module was asked for."""
    content = log.read_bytes()
    assert b'"modules":["alpha"]' in content
    log.write_bytes(content.replace(b'"modules":["alpha"]', b'"modules":[]', 1))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (Path.unlink, "the file is missing"),
        (lambda log: log.write_bytes(b""), "the log has no line"),
        (ask_for_nothing, "was not made by this orchestrator"),
    ],
    ids=["missing", "empty", "another request"],
)
async def test_run_with_a_damaged_log_that_is_to_be_resumed_is_a_problem_with_the_reason(
    start_service: StartService, interrupted: Path, damage: Callable[[Path], object], reason: str
) -> None:
    async with start_service() as client:
        assert (await client.get(f"/runs/{interrupted.name}")).json()["status"] == "interrupted"
        damage(interrupted / "logs.jsonl")
        answer = await client.post(f"/runs/{interrupted.name}/resume")
    assert (answer.status_code, answer.json()["type"]) == (500, "urn:openpolicystack:problem:damaged-run")
    assert "logs.jsonl is damaged" in answer.json()["detail"]
    assert reason in answer.json()["detail"]


@pytest.mark.parametrize(("name", "path"), [("run.json", ""), ("results.json", "/results"), ("logs.jsonl", "/logs")])
async def test_pipe_in_the_place_of_a_document_is_answered_at_once(
    start_service: StartService, folder: Path, name: str, path: str
) -> None:
    (folder / name).unlink()
    os.mkfifo(folder / name)
    async with start_service() as client:
        answer = await client.get(f"/runs/{folder.name}{path}")
    assert (answer.status_code, answer.json()["title"]) == (500, "The run is damaged")


async def test_link_in_the_place_of_the_log_is_not_followed(start_service: StartService, folder: Path) -> None:
    (folder / "logs.jsonl").unlink()
    (folder / "logs.jsonl").symlink_to("/etc/passwd")
    async with start_service() as client:
        answer = await client.get(f"/runs/{folder.name}/logs")
    assert (answer.status_code, "root:" in answer.text) == (500, False)


def test_service_starts_and_the_command_line_lists_beside_a_damaged_run_and_index(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "modules.yaml").write_text(modules_yaml(["alpha"]))
    index = tmp_path / "runs" / ".index.sqlite3"
    content = index.read_bytes()
    index.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    with service(tmp_path, "ops", "serve", "--port", "0") as (_, url):
        served = HTTP.get(f"{url}/runs").json()["runs"]
    listed, shown = ops(tmp_path, "runs", "list"), ops(tmp_path, "runs", "show", folder.name)
    assert (listed.returncode, json.loads(listed.stdout)) == (0, served)
    assert {run["run_id"]: run["status"] for run in served} == {RUN_ID: "damaged", GOOD: "completed"}
    assert (shown.returncode, shown.stdout) == (2, "")
    assert "run.json is damaged: /request: must have scenario_id as in a scenario" in shown.stderr
