"""Cancelling and resuming runs over HTTP."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from scripted_module import Gate, ReadRun, ScriptedModule, StartService, error_envelope, success

UNKNOWN = "run_2026-01-09T12-34-56Z_ab12cd"
ASYNC = {"Prefer": "respond-async"}


def scenario(*modules: str) -> dict[str, Any]:
    return {"scenario_id": "demo", "modules": [*modules]}


async def begun(service: httpx2.AsyncClient, gate: Gate, *modules: str) -> str:
    """The id of a run whose module is thinking."""
    answer = await service.post("/plan_and_execute", json=scenario(*modules), headers=ASYNC)
    assert answer.status_code == 202
    await gate.asked.wait()
    return str(answer.json()["run_id"])


async def test_cancelled_run_answers_200_once_it_is_stored_and_twice_is_once(
    start_service: StartService, read_run: ReadRun
) -> None:
    gate = Gate()
    async with start_service(ScriptedModule(answers=[gate])) as service:
        run_id = await begun(service, gate, "alpha")
        first, second = await asyncio.gather(*(service.post(f"/runs/{run_id}/cancel") for _ in range(2)))
        stored = read_run(run_id, "run.json")
        third = await service.post(f"/runs/{run_id}/cancel")
    assert (stored["status"], stored["error"]["code"]) == ("cancelled", "CANCELLED")
    for answer in (first, second, third):
        assert (answer.status_code, answer.json()["status"], answer.headers["location"]) == (
            200,
            "cancelled",
            f"/runs/{run_id}",
        )


async def test_caller_who_waits_for_a_run_that_is_cancelled_is_answered_409(start_service: StartService) -> None:
    gate = Gate()
    async with start_service(ScriptedModule(answers=[gate])) as service:
        waiting = asyncio.create_task(service.post("/plan_and_execute", json=scenario("alpha")))
        await gate.asked.wait()
        (run,) = (await service.get("/runs")).json()["runs"]
        await service.post(f"/runs/{run['run_id']}/cancel")
        answer = await waiting
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "CANCELLED")


@pytest.mark.parametrize("action", ["cancel", "resume"])
async def test_run_that_does_not_exist_is_404(start_service: StartService, action: str) -> None:
    async with start_service(ScriptedModule()) as service:
        for run_id in (UNKNOWN, "nonsense"):
            answer = await service.post(f"/runs/{run_id}/{action}")
            assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ("cancel", "is completed: only a run that is queued or running"),
        ("resume", "is completed: there is nothing to resume; start its request again"),
    ],
)
async def test_completed_run_is_409(start_service: StartService, action: str, reason: str) -> None:
    async with start_service(ScriptedModule()) as service:
        run_id = (await service.post("/plan_and_execute", json=scenario("alpha"))).json()["run_id"]
        answer = await service.post(f"/runs/{run_id}/{action}")
    assert (answer.status_code, reason in answer.json()["detail"]) == (409, True)


async def test_run_of_version_0_1_0_cannot_be_resumed(start_service: StartService, read_run: ReadRun, tmp_path: Path) -> None:
    async with start_service(ScriptedModule(answers=[httpx2.Response(422, json=error_envelope())])) as service:
        run_id = (await service.post("/plan_and_execute", json=scenario("alpha"))).json()["run_id"]
        old = {name: value for name, value in read_run(run_id, "run.json").items() if name != "format"}
        (tmp_path / "runs" / run_id / "run.json").write_text(json.dumps(old))
        answer = await service.post(f"/runs/{run_id}/resume")
    assert (answer.status_code, "kept too little" in answer.json()["detail"]) == (409, True)


async def test_running_run_cannot_be_resumed(start_service: StartService) -> None:
    gate = Gate()
    async with start_service(ScriptedModule(answers=[gate])) as service:
        run_id = await begun(service, gate, "alpha")
        answer = await service.post(f"/runs/{run_id}/resume")
        await service.post(f"/runs/{run_id}/cancel")
    reason = f"{run_id} is running: only a run that is over can be resumed"
    remedy = f"wait for it, or cancel it first: `ops runs cancel {run_id}`."
    assert (answer.status_code, answer.json()["detail"]) == (409, f"{reason}; {remedy}")


async def test_failed_run_that_is_resumed_answers_as_one_that_was_started(start_service: StartService) -> None:
    alpha = ScriptedModule()
    beta = ScriptedModule("beta", answers=[httpx2.Response(422, json=error_envelope("beta")), success("beta")])
    async with start_service(alpha, beta) as service:
        failed = await service.post("/plan_and_execute", json=scenario("alpha", "beta"))
        run_id = failed.json()["run_id"]
        answer = await service.post(f"/runs/{run_id}/resume")
        again = await service.get(f"/runs/{run_id}")
    assert (failed.status_code, answer.status_code, answer.json()["run_id"]) == (502, 200, run_id)
    assert [*answer.json()["results"]] == ["alpha", "beta"]
    assert "error" not in answer.json()
    assert (again.json()["status"], again.json()["attempt"], len(alpha.executed)) == ("completed", 2, 1)


async def test_resumed_run_need_not_be_waited_for(start_service: StartService) -> None:
    gate = Gate()
    alpha = ScriptedModule(answers=[httpx2.Response(422, json=error_envelope()), gate])
    async with start_service(alpha) as service:
        run_id = (await service.post("/plan_and_execute", json=scenario("alpha"))).json()["run_id"]
        answer = await service.post(f"/runs/{run_id}/resume", headers=ASYNC)
        await gate.asked.wait()
        second = await service.post(f"/runs/{run_id}/resume")
        gate.opened.set()
        while (record := (await service.get(f"/runs/{run_id}")).json())["status"] == "running":
            pass
    assert (answer.status_code, answer.headers["preference-applied"]) == (202, "respond-async")
    assert (second.status_code, record["status"]) == (409, "completed")


@pytest.mark.parametrize("is_queued", [False, True])
async def test_run_that_a_stopped_service_left_goes_on_in_the_next_one_where_that_is_set(
    start_service: StartService,
    is_queued: bool,
) -> None:
    gate, alpha = Gate(), ScriptedModule()
    alpha.answers = [gate]
    settings = {"resume_interrupted": True, "max_concurrent_runs": 1}
    async with start_service(alpha, **settings) as service:
        run_id = await begun(service, gate, "alpha")
        waiting = asyncio.create_task(service.post("/plan_and_execute", json=scenario("alpha")))
        while len((await service.get("/runs")).json()["runs"]) < 2:
            pass
        if is_queued:
            queued = await service.post("/plan_and_execute", json=scenario("alpha"), headers=ASYNC)
            run_id = queued.json()["run_id"]
    # Whoever waited is told that the run goes on.
    assert (await waiting).status_code == 202
    alpha.answers = [success()]
    async with start_service(alpha, **settings) as service:
        while (record := (await service.get(f"/runs/{run_id}")).json())["status"] in ("queued", "running"):
            pass
    assert (record["status"], record["attempt"]) == ("completed", 2)
