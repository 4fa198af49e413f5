"""`POST /runs/{id}/reproduce`, and what it leaves."""

from pathlib import Path
from typing import Any

import httpx2
import pytest
from scripted_module import Gate, ReadRun, ScriptedModule, StartService, envelope, success

SCENARIO: dict[str, Any] = {"scenario_id": "demo", "modules": ["alpha"], "inputs": {"country": "DR"}}


async def first(service: httpx2.AsyncClient) -> str:
    return str((await service.post("/plan_and_execute", json=SCENARIO)).json()["run_id"])


def grown(growth: float) -> httpx2.Response:
    return success(outputs={"kpis": {"growth": growth}})


async def test_answer_has_the_grade_and_says_200_whatever_it_is(start_service: StartService, read_run: ReadRun) -> None:
    alpha = ScriptedModule(answers=[grown(1.0), grown(1.0), grown(1.01), grown(1.2)])
    async with start_service(alpha) as service:
        original = await first(service)
        bodies: list[dict[str, Any]] = [{}, {"tolerance": {"rel": 0.02}}, {"tolerance": {"abs": 0.1}}]
        for body, grade in zip(bodies, ("identical", "within tolerance", "different"), strict=True):
            response = await service.post(f"/runs/{original}/reproduce", json=body)
            answer = response.json()
            assert (response.status_code, answer["reproduces"]) == (200, original)
            assert (answer["reproduction"]["grade"], answer["reproduction"]["steps"]) == (grade, {"alpha": grade})
            assert read_run(answer["run_id"], "run.json")["reproduction"] == answer["reproduction"]
        assert "nothing that went in differs" in answer["reproduction"]["cause"]
        assert "it is not deterministic" in answer["reproduction"]["cause"]
        listed = (await service.get(f"/runs?reproduces={original}")).json()["runs"]
        assert [run["reproduces"] for run in listed] == [original] * 3


async def test_request_needs_no_body_and_need_not_wait(start_service: StartService) -> None:
    gate = Gate()
    async with start_service(ScriptedModule(answers=[success(), gate])) as service:
        original = await first(service)
        response = await service.post(f"/runs/{original}/reproduce", headers={"Prefer": "respond-async"})
        assert response.status_code == 202
        assert response.json()["reproduction"]["grade"] is None
        gate.opened.set()


async def test_failure_of_a_module_is_told_as_that_of_any_run(start_service: StartService) -> None:
    alpha = ScriptedModule(answers=[success(), httpx2.Response(500, json={})])
    async with start_service(alpha) as service:
        response = await service.post(f"/runs/{await first(service)}/reproduce")
    assert (response.status_code, response.json()["reproduction"]["grade"]) == (502, "missing")


async def test_module_of_another_version_is_refused_when_it_is_to_be_the_recorded_one(start_service: StartService) -> None:
    alpha = ScriptedModule(answers=[httpx2.Response(200, json=envelope(version="1.0.0"))])
    async with start_service(alpha) as service:
        original = await first(service)
        response = await service.post(f"/runs/{original}/reproduce", json={"pin": True})
        assert (response.status_code, response.json()["type"]) == (409, "urn:openpolicystack:problem:pinned-version")
        assert "alpha states the version '1.2.3', and the run pins '1.0.0'" in response.json()["detail"]
        assert len((await service.get("/runs")).json()["runs"]) == 1


async def test_request_that_is_repeated_with_its_key_gets_the_first_run(start_service: StartService) -> None:
    async with start_service(ScriptedModule()) as service:
        one, other = await first(service), await first(service)
        headers = {"Idempotency-Key": "again"}
        answers = [await service.post(f"/runs/{one}/reproduce", headers=headers) for _ in range(2)]
        assert len({answer.json()["run_id"] for answer in answers}) == 1
        changed = [(one, {"tolerance": {"rel": 0.1}}), (one, {"modules": "current"}), (other, {})]
        for original, body in changed:
            response = await service.post(f"/runs/{original}/reproduce", json=body, headers=headers)
            assert (response.status_code, response.json()["type"]) == (422, "urn:openpolicystack:problem:reused-key")


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        (b"{", 400, None),
        (b'{"offlin": true}', 422, "/offlin"),
        (b'{"modules": "todays"}', 422, "/modules"),
        (b'{"tolerance": {"rel": -1}}', 422, "/tolerance/rel"),
        (b'{"tolerance": {"rel": 1e-3, "abs": 1e999}}', 400, None),
        (b"[]", 422, ""),
    ],
)
async def test_body_that_cannot_be_used_is_refused_with_a_pointer(
    start_service: StartService, body: bytes, status: int, pointer: str | None
) -> None:
    async with start_service(ScriptedModule()) as service:
        headers = {"Content-Type": "application/json"}
        response = await service.post(f"/runs/{await first(service)}/reproduce", content=body, headers=headers)
        assert response.status_code == status
        assert response.json().get("errors", [{}])[0].get("pointer") == pointer
        untyped = await service.post(f"/runs/{await first(service)}/reproduce", content=b"offline")
        assert untyped.status_code == 415


async def test_run_that_does_not_exist_cannot_be_reproduced(start_service: StartService) -> None:
    async with start_service(ScriptedModule()) as service:
        response = await service.post("/runs/run_2026-01-09T12-34-56Z_ab12cd/reproduce")
    assert (response.status_code, response.json()["type"]) == (404, "urn:openpolicystack:problem:not-found")


async def test_run_without_results_is_refused_before_a_module_is_called(start_service: StartService, tmp_path: Path) -> None:
    alpha = ScriptedModule()
    async with start_service(alpha) as service:
        original = await first(service)
        (tmp_path / "runs" / original / "results.json").unlink()
        response = await service.post(f"/runs/{original}/reproduce")
        assert (response.status_code, response.json()["type"]) == (500, "urn:openpolicystack:problem:damaged-run")
        assert "/results.json is damaged: the file is missing" in response.json()["detail"]
        assert len((await service.get("/runs")).json()["runs"]) == 1
    assert len(alpha.executed) == 1
