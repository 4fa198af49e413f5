"""Who started, cancelled and resumed a run: the name of their key, in events, in run.json, on the page and on a terminal."""

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from api_keys import bearer, make_key
from command_line import on_terminal
from scripted_module import Gate, ReadRun, ScriptedModule, StartService, success

SCENARIO = {"scenario_id": "demo", "modules": ["alpha"]}
ASYNC = {"Prefer": "respond-async"}
HTML = {"Accept": "text/html"}


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def events(tmp_path: Path, run_id: str) -> dict[str, dict[str, Any]]:
    """The last event of each kind."""
    lines = (tmp_path / "runs" / run_id / "logs.jsonl").read_text().splitlines()
    return {line["event"]: line for line in map(json.loads, lines)}


async def cancelled_run(service: httpx2.AsyncClient, gate: Gate, starter: dict[str, str], canceller: dict[str, str]) -> str:
    answer = await service.post("/plan_and_execute", json=SCENARIO, headers=starter | ASYNC)
    run_id = str(answer.json()["run_id"])
    await gate.asked.wait()
    await service.post(f"/runs/{run_id}/cancel", headers=canceller)
    return run_id


async def test_record_says_whose_key_started_cancelled_and_resumed_the_run(
    start_service: StartService, keys: Path, tmp_path: Path, read_run: ReadRun
) -> None:
    anna, bob, carl = (bearer(make_key(keys, name)) for name in ("anna", "bob", "carl"))
    gate = Gate()
    async with start_service(ScriptedModule(answers=[gate, success()]), api_keys_file=keys) as service:
        run_id = await cancelled_run(service, gate, anna, bob)
        cancelled, page = read_run(run_id, "run.json"), await service.get(f"/runs/{run_id}", headers=anna | HTML)
        await service.post(f"/runs/{run_id}/resume", headers=carl)
        verified = (await service.get(f"/runs/{run_id}/verification", headers=carl)).json()
    happened, resumed = events(tmp_path, run_id), read_run(run_id, "run.json")
    assert (cancelled["started_by"], cancelled["cancelled_by"]) == ("anna", "bob")
    assert (resumed["started_by"], resumed["resumed_by"], "cancelled_by" in resumed) == ("anna", "carl", False)
    assert [happened[f"run.{name}"]["caller"] for name in ("queued", "cancelling", "resumed")] == ["anna", "bob", "carl"]
    assert happened["run.queued"]["message"] == "run of 'demo' queued by anna: alpha"
    assert "<dt>Started by</dt><dd>" in page.text
    assert "<dt>Cancelled by</dt><dd>" in page.text
    assert verified["intact"], verified
    assert "anna started it, carl resumed it" in on_terminal(tmp_path, "runs", "show", run_id, COLUMNS="200")[1]


async def test_reproduction_and_the_runs_of_a_sweep_have_the_name_of_whoever_asked(
    start_service: StartService, keys: Path, read_run: ReadRun
) -> None:
    anna, bob = bearer(make_key(keys, "anna")), bearer(make_key(keys, "bob"))
    sweep = {**SCENARIO, "sweep": {"seeds": [1, 2]}}
    async with start_service(ScriptedModule(), api_keys_file=keys) as service:
        first = (await service.post("/plan_and_execute", json=SCENARIO, headers=anna)).json()["run_id"]
        again = (await service.post(f"/runs/{first}/reproduce", headers=bob)).json()["run_id"]
        swept = (await service.post("/sweeps", json=sweep, headers=bob | {"Prefer": "wait=60"})).json()
        points = (await service.get(f"/sweeps/{swept['sweep_id']}/points", headers=bob)).json()["points"]
    runs = [first, again, *(point["run_id"] for point in points)]
    assert [read_run(run_id, "run.json")["started_by"] for run_id in runs] == ["anna", "bob", "bob", "bob"]
    assert swept["started_by"] == "bob"


async def test_without_keys_nobody_is_named_and_the_recipe_is_the_same(
    start_service: StartService, keys: Path, tmp_path: Path, read_run: ReadRun
) -> None:
    recipes = []
    for settings, headers in (({}, {}), ({"api_keys_file": keys}, bearer(make_key(keys, "anna")))):
        async with start_service(ScriptedModule(), **settings) as service:
            run_id = (await service.post("/plan_and_execute", json=SCENARIO, headers=headers)).json()["run_id"]
        record = read_run(run_id, "run.json")
        recipes.append(record["fingerprints"])
        assert ("started_by" in record, "caller" in events(tmp_path, run_id)["run.queued"]) == (bool(settings), bool(settings))
    assert recipes[0] == recipes[1]
