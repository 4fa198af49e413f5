"""Runs that cannot be used, over HTTP and on the command line."""

import json
import os
from pathlib import Path

import pytest
from command_line import ops
from local_service import HTTP, service
from run_records import GOOD, RUN_ID, store_two_runs
from scripted_module import StartService, modules_yaml


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the run RUN_ID, whose record has no scenario, beside that of the whole run GOOD."""
    store_two_runs(tmp_path / "runs")
    folder = tmp_path / "runs" / RUN_ID
    record = json.loads((folder / "run.json").read_bytes())
    (folder / "run.json").write_text(json.dumps(record | {"request": {}}))
    return folder


async def test_damaged_run_stands_in_the_list_with_the_reason(start_service: StartService, folder: Path) -> None:
    async with start_service() as client:
        listed = {run["run_id"]: run for run in (await client.get("/runs")).json()["runs"]}
        damaged = (await client.get("/runs", params={"status": "damaged"})).json()["runs"]
    assert {run_id: run["status"] for run_id, run in listed.items()} == {folder.name: "damaged", GOOD: "completed"}
    assert listed[RUN_ID]["reason"] == "run.json: /request: must have scenario_id as in a scenario"
    assert set(listed[GOOD]) <= set(listed[RUN_ID])
    assert damaged == [listed[RUN_ID]]


async def test_damaged_run_itself_is_a_problem_with_the_reason(start_service: StartService, folder: Path) -> None:
    async with start_service() as client:
        answer = await client.get(f"/runs/{folder.name}")
        results = await client.get(f"/runs/{folder.name}/results")
    assert (answer.status_code, answer.json()["type"]) == (500, "urn:openpolicystack:problem:damaged-run")
    assert "run.json is damaged: /request: must have scenario_id" in answer.json()["detail"]
    assert results.status_code == 200


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
