"""Sweeps over HTTP: started, looked at, cancelled, resumed, and their files."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import httpx2
import pytest
from scripted_module import Gate, ScriptedModule, StartService, error_envelope, success

WAITING = {"Prefer": "wait=60"}


def sweep(**fields: Any) -> dict[str, Any]:
    return {
        "scenario_id": "demo",
        "modules": ["alpha"],
        "inputs": {"rate": 0.2},
        "sweep": {"parameters": {"/rate": [0.1, 0.2, 0.3]}, "seeds": 2, **fields},
    }


def growth(request: httpx2.Request) -> httpx2.Response:
    rate = json.loads(request.content)["inputs"]["rate"]
    if rate == 0.3:
        return httpx2.Response(422, json=error_envelope())
    return success(outputs={"kpis": {"growth": rate}, "units": {"growth": "share"}})


async def test_sweep_is_answered_at_once_and_found_when_it_is_over(start_service: StartService) -> None:
    gate = Gate()
    async with start_service(ScriptedModule(answers=[gate, growth])) as client:
        # One after another, so that the first point is the one that waits.
        started = await client.post("/sweeps", json=sweep(concurrency=1))
        sweep_id = started.json()["sweep_id"]
        assert (started.status_code, started.headers["Location"]) == (202, f"/sweeps/{sweep_id}")
        assert started.json()["status"] == "running"
        gate.opened.set()
        while (found := (await client.get(f"/sweeps/{sweep_id}")).json())["status"] == "running":
            pass
        assert found["points"] == {"total": 6, "completed": 4, "failed": 2, "running": 0, "pending": 0}
        assert found["parameters"] == [{"pointer": "/rate", "label": "rate", "unit": "", "own": 0.2}]
        assert {"table.csv", "sweep.json", "request.json", "points.jsonl"} <= set(found["files"])


async def test_points_are_listed_with_their_runs_and_figures(start_service: StartService) -> None:
    async with start_service(ScriptedModule(answers=[growth])) as client:
        sweep_id = (await client.post("/sweeps", json=sweep(), headers=WAITING)).json()["sweep_id"]
        page = (await client.get(f"/sweeps/{sweep_id}/points", params={"limit": 1, "after": 1})).json()
        (point,) = page["points"]
        assert (point["number"], point["parameters"], point["seed"], page["next_after"]) == (2, {"/rate": 0.1}, 1, 2)
        assert [(figure["key"], figure["value"], figure["unit"]) for figure in point["figures"]] == [("growth", 0.1, "share")]
        run = (await client.get(f"/runs/{point['run_id']}")).json()
        assert (run["sweep"], run["request"]["run_options"]["seed"]) == (sweep_id, 1)
        failed = (await client.get(f"/sweeps/{sweep_id}/points", params={"status": "failed"})).json()["points"]
        assert [point["number"] for point in failed] == [5, 6]
        assert "a rate is at most 0.5" in failed[0]["message"]
        listed = (await client.get("/runs", params={"sweep": sweep_id})).json()["runs"]
        assert Counter(run["status"] for run in listed) == {"completed": 4, "failed": 2}


async def test_files_are_served_by_their_names_alone(start_service: StartService) -> None:
    async with start_service(ScriptedModule(answers=[growth])) as client:
        answer = (await client.post("/sweeps", json=sweep(), headers=WAITING)).json()
        path = f"/sweeps/{answer['sweep_id']}"
        table = await client.get(f"{path}/table.csv")
        assert table.headers["content-type"] == "text/csv; charset=utf-8"
        assert table.text.splitlines()[0].startswith("point,/rate,seed,alpha/growth,status")
        for name in answer["files"]:
            assert (await client.get(f"{path}/{name}")).status_code == 200
        for name in (".cancel", "..%2f..%2fmodules.yaml", "nothing.csv"):
            assert (await client.get(f"{path}/{name}")).status_code == 404


async def test_table_is_there_while_the_sweep_goes_on(start_service: StartService) -> None:
    gate = Gate()
    async with start_service(ScriptedModule(answers=[growth, gate]), max_concurrent_runs=1) as client:
        sweep_id = (await client.post("/sweeps", json=sweep())).json()["sweep_id"]
        await gate.asked.wait()
        table = await client.get(f"/sweeps/{sweep_id}/table.csv")
        assert [line.split(",")[0] for line in table.text.splitlines()] == ["point", "1", "2", "3", "4", "5", "6"]
        gate.opened.set()


async def test_sweep_is_cancelled_and_resumed(start_service: StartService) -> None:
    gate = Gate()
    async with start_service(ScriptedModule(answers=[growth, gate]), max_concurrent_runs=2) as client:
        sweep_id = (await client.post("/sweeps", json=sweep())).json()["sweep_id"]
        await gate.asked.wait()
        cancelled = await client.post(f"/sweeps/{sweep_id}/cancel")
        assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
        assert "/cancel from 127.0.0.1" in cancelled.json()["error"]["message"]
        again = await client.post(f"/sweeps/{sweep_id}/cancel")
        assert (again.status_code, again.json()["title"]) == (409, "The sweep's status does not allow this")
        gate.opened.set()
        resumed = await client.post(f"/sweeps/{sweep_id}/resume", headers=WAITING)
        assert (resumed.status_code, resumed.json()["status"], resumed.json()["attempt"]) == (200, "completed", 2)
        assert (await client.post(f"/sweeps/{sweep_id}/resume")).status_code == 409


async def test_request_that_is_repeated_with_its_key_gets_the_first_sweep(start_service: StartService) -> None:
    headers = WAITING | {"Idempotency-Key": "vat"}
    module = ScriptedModule(answers=[growth])
    async with start_service(module) as client:
        first = await client.post("/sweeps", json=sweep(), headers=headers)
        second = await client.post("/sweeps", json=sweep(), headers=headers)
        other = await client.post("/sweeps", json=sweep(seeds=1), headers=headers)
        assert second.json()["sweep_id"] == first.json()["sweep_id"]
        assert len(module.executed) == 6
        assert (other.status_code, other.json()["type"].rpartition(":")[2]) == (422, "reused-key")


async def test_key_of_a_sweep_that_cannot_be_planned_is_free_again(start_service: StartService) -> None:
    headers = WAITING | {"Idempotency-Key": "vat"}
    async with start_service(ScriptedModule(answers=[growth])) as client:
        refused = await client.post("/sweeps", json={**sweep(), "modules": ["nothing"]}, headers=headers)
        assert refused.status_code == 422
        assert (await client.post("/sweeps", json=sweep(), headers=headers)).status_code == 200


async def test_sweeps_are_listed_page_by_page(start_service: StartService) -> None:
    async with start_service(ScriptedModule(answers=[growth])) as client:
        ids = {(await client.post("/sweeps", json=sweep(), headers=WAITING)).json()["sweep_id"] for _ in range(3)}
        first = (await client.get("/sweeps", params={"limit": 2})).json()
        rest = (await client.get("/sweeps", params={"limit": 2, "cursor": first["next_cursor"]})).json()
        assert [one["sweep_id"] for one in (*first["sweeps"], *rest["sweeps"])] == sorted(ids, reverse=True)
        assert rest["next_cursor"] is None


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({"scenario_id": "demo", "modules": ["alpha"]}, 422, "/sweep"),
        (sweep(parameters={"/rate": {"from": 0, "to": 1, "step": 0.001}}), 422, "/sweep/parameters/~1rate"),
        ({**sweep(), "modules": ["nothing"]}, 422, "/modules/0"),
    ],
)
async def test_sweep_that_cannot_be_run_is_refused(
    start_service: StartService, body: dict[str, Any], status: int, pointer: str
) -> None:
    async with start_service(ScriptedModule(), max_sweep_points=100) as client:
        refused = await client.post("/sweeps", json=body)
        assert refused.status_code == status
        assert refused.json()["errors"][0]["pointer"] == pointer
        assert (await client.get("/sweeps")).json() == {"sweeps": [], "next_cursor": None}


@pytest.mark.parametrize("path", ["", "/points", "/table.csv"])
async def test_unknown_sweep_is_not_found(start_service: StartService, path: str) -> None:
    async with start_service(ScriptedModule()) as client:
        for sweep_id in ("sweep_2026-01-09T12-34-56Z_ab12cd", "..%2f..", "x"):
            assert (await client.get(f"/sweeps/{sweep_id}{path}")).status_code == 404
        assert (await client.post("/sweeps/sweep_2026-01-09T12-34-56Z_ab12cd/cancel")).status_code == 404


async def test_service_that_resumes_goes_on_with_the_sweep_that_it_left(start_service: StartService) -> None:
    gate = Gate()
    module = ScriptedModule(answers=[growth, gate])
    async with start_service(module, max_concurrent_runs=1, resume_interrupted=True) as client:
        sweep_id = (await client.post("/sweeps", json=sweep(parameters={"/rate": [0.1, 0.2]}))).json()["sweep_id"]
        await gate.asked.wait()
    module.answers[:] = [growth]
    async with start_service(module, resume_interrupted=True) as client:
        while (found := (await client.get(f"/sweeps/{sweep_id}")).json())["status"] != "completed":
            pass
        assert found["points"]["completed"] == 4
        assert len((await client.get("/runs")).json()["runs"]) == 4


async def test_method_that_no_route_of_a_path_takes_is_answered_with_all_that_are_taken(start_service: StartService) -> None:
    async with start_service(ScriptedModule()) as client:
        refused = await client.delete("/sweeps")
        assert (refused.status_code, refused.headers["Allow"]) == (405, "GET, HEAD, POST")


async def test_points_that_are_counted_as_failed_are_listed_as_such_whatever_ended_their_runs(
    start_service: StartService,
) -> None:
    gate = Gate()
    async with start_service(ScriptedModule(answers=[growth, gate])) as client:
        started = await client.post("/sweeps", json=sweep(parameters={"/rate": [0.1, 0.2]}, seeds=1, concurrency=1))
        path = started.headers["Location"]
        await gate.asked.wait()
        (run,) = (await client.get("/runs", params={"status": "running"})).json()["runs"]
        await client.post(f"/runs/{run['run_id']}/cancel")
        gate.opened.set()
        while (found := (await client.get(path)).json())["status"] == "running":
            pass
        assert (found["status"], found["points"]["failed"]) == ("failed", 1)
        for status in ("failed", "cancelled"):
            (point,) = (await client.get(f"{path}/points", params={"status": status})).json()["points"]
            assert (point["number"], point["status"], point["run_id"]) == (2, "cancelled", run["run_id"])


async def test_sweep_that_cannot_be_written_is_refused_with_what_stands_in_the_way(start_service: StartService) -> None:
    async with start_service(ScriptedModule(answers=[growth])) as client:
        ended = (await client.post("/sweeps", json=sweep(), headers=WAITING)).json()
        obstacle = Path(ended["sweep_path"]) / "sweep.json.part"
        obstacle.mkdir()
        refused = await client.post(f"/sweeps/{ended['sweep_id']}/resume")
        assert (refused.status_code, refused.json()["type"].rpartition(":")[2]) == (503, "store-unavailable")
        assert "Is a directory" in refused.json()["detail"]


async def test_sweep_whose_pins_do_not_fit_is_refused_before_its_first_point(start_service: StartService) -> None:
    module = ScriptedModule(answers=[growth])
    body = sweep() | {"run_options": {"pin": {"alpha": "9"}}}
    async with start_service(module) as client:
        for headers in ({}, {"Idempotency-Key": "once"}):
            refused = await client.post("/sweeps", json=body, headers=headers)
            assert (refused.status_code, refused.json()["type"]) == (409, "urn:openpolicystack:problem:pinned-version")
            assert refused.json()["detail"].startswith("The sweep is not started: alpha states the version '1.2.3'")
        assert (await client.get("/sweeps")).json()["sweeps"] == []
        started = await client.post("/sweeps", json=sweep(), headers=WAITING | {"Idempotency-Key": "once"})
        assert started.status_code == 200
    assert len(module.executed) == 6


async def test_sweep_is_not_resumed_with_another_module_than_it_pins(start_service: StartService) -> None:
    body = sweep() | {"run_options": {"pin": {"alpha": "1.2.3"}}}
    async with start_service(ScriptedModule(answers=[growth])) as client:
        sweep_id = (await client.post("/sweeps", json=body, headers=WAITING)).json()["sweep_id"]
    other = ScriptedModule(answers=[growth])
    other.health = [httpx2.Response(200, json=other.healthy(version="2"))]
    async with start_service(other) as client:
        refused = await client.post(f"/sweeps/{sweep_id}/resume")
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (409, "/run_options/pin/alpha")
        assert (await client.get(f"/sweeps/{sweep_id}")).json()["attempt"] == 1
    assert not other.executed
