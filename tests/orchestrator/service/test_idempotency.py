"""A request that is repeated with its idempotency key gets the first run."""

import asyncio
from pathlib import Path
from typing import Any

import httpx2
import pytest
from local_service import ROOT, service, stub_addresses
from scripted_module import Gate, ScriptedModule, StartService, error_envelope

pytestmark = pytest.mark.slow

KEY = {"Idempotency-Key": "a1b2"}
SCENARIO: dict[str, Any] = {"scenario_id": "demo", "modules": ["alpha"], "inputs": {"a": 1}}


async def submit(client: httpx2.AsyncClient, scenario: dict[str, Any] = SCENARIO, **headers: str) -> httpx2.Response:
    return await client.post("/plan_and_execute", json=scenario, headers=KEY | headers)


async def test_repeated_request_gets_the_first_run_with_its_answer(start_service: StartService) -> None:
    alpha = ScriptedModule(answers=[httpx2.Response(422, json=error_envelope())])
    async with start_service(alpha) as client:
        first, second = await submit(client), await submit(client, {**SCENARIO, "inputs": {"a": 1.0}})
    assert (first.status_code, second.status_code) == (502, 502)
    assert first.json() == second.json()
    assert len(alpha.executed) == 1


async def test_request_that_is_repeated_while_its_run_goes_on_waits_for_the_same_run(start_service: StartService) -> None:
    gate, alpha = Gate(), ScriptedModule()
    alpha.answers = [gate]
    async with start_service(alpha) as client:
        waiting = [asyncio.create_task(submit(client)) for _ in range(5)]
        await gate.asked.wait()
        waiting.append(asyncio.create_task(submit(client)))
        gate.opened.set()
        answers = await asyncio.gather(*waiting)
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["run_id"] for answer in answers}) == len(alpha.executed) == 1


async def test_request_that_another_service_executes_is_waited_for_by_who_gets_it_again(start_service: StartService) -> None:
    gate = Gate()
    async with start_service(ScriptedModule(answers=[gate])) as one, start_service(ScriptedModule()) as other:
        first = asyncio.create_task(submit(one))
        await gate.asked.wait()
        second = asyncio.create_task(submit(other))
        begun = await submit(other, Prefer="respond-async")
        assert not second.done()
        gate.opened.set()
        answers = [await first, await second]
    assert (begun.status_code, begun.json()["status"]) == (202, "running")
    assert [answer.status_code for answer in answers] == [200, 200]
    assert {answer.json()["run_id"] for answer in (begun, *answers)} == {begun.json()["run_id"]}


async def test_key_outlives_the_service(start_service: StartService) -> None:
    alpha = ScriptedModule()
    async with start_service(alpha) as client:
        first = await submit(client)
    async with start_service(alpha) as client:
        second = await submit(client)
    assert (second.status_code, second.json()) == (200, first.json())


async def test_key_with_another_scenario_is_refused_and_nothing_is_started(start_service: StartService) -> None:
    alpha = ScriptedModule()
    async with start_service(alpha) as client:
        first = await submit(client)
        labelled = {"run_options": {"labels": {"study": "vat"}}}
        for other in ({"inputs": {"a": True}}, {"run_options": {"seed": 1}}, {"scenario_id": "other"}, labelled):
            answer = await submit(client, {**SCENARIO, **other})
            assert (answer.status_code, answer.json()["type"]) == (422, "urn:openpolicystack:problem:reused-key")
            another = "was started with this key and another request (scenario, labels, deadline or pins)"
            assert answer.json()["detail"].startswith(f"{first.json()['run_id']} {another}")
    assert len(alpha.executed) == 1


async def test_request_that_could_not_be_planned_leaves_its_key_free(start_service: StartService) -> None:
    async with start_service(ScriptedModule()) as client:
        refused = await submit(client, {**SCENARIO, "modules": ["unknown"]})
        answer = await submit(client)
    assert (refused.status_code, answer.status_code) == (422, 200)


@pytest.mark.parametrize("values", [[""], ["x" * 256], ["a", "b"], ["a\tb"]])
async def test_key_that_cannot_be_used_is_refused(start_service: StartService, values: list[str]) -> None:
    async with start_service(ScriptedModule()) as client:
        headers = [("Idempotency-Key", value) for value in values]
        answer = await client.post("/plan_and_execute", json=SCENARIO, headers=headers)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "Idempotency-Key")


async def test_two_processes_that_get_the_same_key_at_once_make_one_run(tmp_path: Path, stubs: str) -> None:
    variables = {
        "OPS_MODULES_FILE": str(ROOT / "modules.yaml"),
        "OPS_RUNS_DIR": str(tmp_path / "runs"),
        **stub_addresses(stubs),
    }
    words = ("ops", "serve", "--port", "0")
    example = (ROOT / "examples" / "plan_and_execute.request.json").read_bytes()
    with service(tmp_path, *words, **variables) as (_, one), service(tmp_path, *words, **variables) as (_, other):
        async with httpx2.AsyncClient(timeout=None, trust_env=False) as client:
            for number in range(5):
                headers = {"Content-Type": "application/json", "Idempotency-Key": f"key {number}", "Prefer": "respond-async"}
                sent = [client.post(f"{url}/plan_and_execute", content=example, headers=headers) for url in (one, other) * 3]
                answers = await asyncio.gather(*sent)
                assert {answer.status_code for answer in answers} <= {200, 202}, [answer.text for answer in answers]
                assert len({answer.json()["run_id"] for answer in answers}) == 1
    assert len([*(tmp_path / "runs").glob("run_*")]) == 5
