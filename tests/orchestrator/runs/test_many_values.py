"""Answers and scenarios that hold more JSON values than are read, or nearly as many, and what a run costs with them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from scripted_module import ReadRun, ScriptedModule, StartService, artifact, success

ROOT = Path(__file__).parents[3]
MEASURED = {
    "empty arrays": 200,
    "deep": 200,
    "texts with an emoji": 200,
    "evidence": 200,
    "wrong artifacts": 502,
    "millions of arrays": 502,
    "adapted, empty arrays": 200,
    "adapted, millions of arrays": 502,
    "scenario, step's inputs": 200,
    "scenario, arrays": 413,
    "scenario, unknown keys": 422,
}
"""Cases of benchmarks/answer_memory.py, and the status that each is answered with."""


@pytest.mark.anyio
async def test_answer_with_more_values_than_the_limit_fails_the_step_and_names_the_setting(start_service: StartService) -> None:
    module = ScriptedModule(answers=[success(outputs={"table": [0] * 1000})])
    async with start_service(module, max_response_values=1000) as service:
        answer = (await service.post("/plan_and_execute", json={"scenario_id": "x", "modules": ["alpha"]})).json()
    error = answer["error"]
    assert (error["code"], error["requirement"]) == ("ANSWER_TOO_LARGE", "OPS-EXE-004")
    assert "more than the 1000 JSON values, keys included, that OPS_MAX_RESPONSE_VALUES allows" in error["message"]


@pytest.mark.anyio
async def test_scenario_with_more_values_than_the_limit_is_413_and_names_the_setting(start_service: StartService) -> None:
    scenario = {"scenario_id": "x", "modules": ["alpha"], "inputs": {"table": [0] * 1000}}
    async with start_service(ScriptedModule(), max_request_values=1000) as service:
        refused = await service.post("/plan_and_execute", json=scenario)
        scenario["inputs"] = {"table": [0] * 900}
        accepted = await service.post("/plan_and_execute", json=scenario)
    assert (refused.status_code, accepted.status_code) == (413, 200)
    assert "OPS_MAX_REQUEST_VALUES" in refused.json()["detail"]


@pytest.mark.anyio
async def test_inline_artifacts_of_an_answer_of_a_raised_limit_are_left_out_where_none_are_kept(
    start_service: StartService, read_run: ReadRun
) -> None:
    module = ScriptedModule(answers=[success(outputs={"table": [0] * 260_000}, artifacts=[artifact("a.txt")])])
    scenario: dict[str, Any] = {"scenario_id": "x", "modules": ["alpha"], "run_options": {"save_artifacts": False}}
    async with start_service(module, max_response_values=300_000) as service:
        answer = (await service.post("/plan_and_execute", json=scenario)).json()
    assert answer["status"] == "completed"
    assert "text" not in read_run(answer["run_id"], "steps/1-alpha/response.json")["artifacts"][0]


@pytest.mark.anyio
@pytest.mark.parametrize(("rows", "is_indented"), [(10, True), (20_000, False)])
async def test_large_results_are_kept_on_one_line(
    start_service: StartService, tmp_path: Path, rows: int, is_indented: bool
) -> None:
    module = ScriptedModule(answers=[success(outputs={"table": [[0]] * rows})])
    async with start_service(module) as service:
        answer = (await service.post("/plan_and_execute", json={"scenario_id": "x", "modules": ["alpha"]})).json()
    text = (tmp_path / "runs" / answer["run_id"] / "results.json").read_bytes()
    assert json.loads(text)["steps"]["alpha"]["outputs"] == {"table": [[0]] * rows}
    assert (text.count(b"\n") > 1) == is_indented


@pytest.fixture(scope="module")
def costs() -> dict[str, Any]:
    """What the benchmark measured of each case, each in a process of its own."""
    command = [sys.executable, str(ROOT / "benchmarks/answer_memory.py"), "--json", *MEASURED]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    return {cost["case"]: cost for cost in map(json.loads, ran.stdout.splitlines())}


@pytest.mark.slow
@pytest.mark.parametrize(("case", "status"), MEASURED.items(), ids=MEASURED)
def test_run_with_a_large_body_takes_no_more_memory_than_stated(costs: dict[str, Any], case: str, status: int) -> None:
    assert costs[case]["status"] == status
    assert costs[case]["peak_bytes"] < costs[case]["allowed_bytes"]
