"""`GET /runs/{run_id}/evidence`, of runs that are over and of one that goes on."""

from typing import Any

import pytest
from scripted_module import EVIDENCE, Gate, ScriptedModule, StartService, success


async def test_evidence_of_a_run_is_answered_by_step(start_service: StartService, request_body: dict[str, Any]) -> None:
    alpha = ScriptedModule(answers=[success(outputs={"kpis": {"growth": 0.02, "debt": 1}}, evidence=EVIDENCE)])
    async with start_service(alpha, ScriptedModule("beta")) as service:
        run_id = (await service.post("/plan_and_execute", json=request_body)).json()["run_id"]
        found = (await service.get(f"/runs/{run_id}/evidence")).json()
        unsupported = (await service.get(f"/runs/{run_id}/evidence?step=alpha&unsupported=true")).json()
    first, second = found["steps"]
    assert (first["figures"], first["supported"], first["synthetic"], first["synthetic_because"]) == (2, 1, False, [])
    assert [(value["pointer"], value["evidence"]) for value in first["values"]] == [
        ("/kpis/growth", ["model"]),
        ("/kpis/debt", []),
    ]
    assert (second["step"], second["supported"], second["evidence"]) == ("beta", 0, [])
    assert [value["pointer"] for step in unsupported["steps"] for value in step["values"]] == ["/kpis/debt"]


async def test_run_that_goes_on_has_the_evidence_of_its_completed_steps(
    start_service: StartService, request_body: dict[str, Any]
) -> None:
    gate = Gate()
    async with start_service(ScriptedModule(), ScriptedModule("beta", answers=[gate])) as service:
        headers = {"Prefer": "respond-async"}
        run_id = (await service.post("/plan_and_execute", json=request_body, headers=headers)).json()["run_id"]
        await gate.asked.wait()
        found = (await service.get(f"/runs/{run_id}/evidence")).json()
        gate.opened.set()
    assert (found["status"], [step["step"] for step in found["steps"]]) == ("running", ["alpha"])


@pytest.mark.parametrize(
    ("query", "status", "message"),
    [
        ("step=gamma", 404, "has no step 'gamma'; its steps are alpha, beta."),
        ("pointer=/nothing", 422, "must lead to a value in the outputs of alpha, beta, such as /kpis, not '/nothing'"),
        ("unsupported=perhaps", 422, "unsupported"),
        ("pointr=/kpis", 422, "did you mean 'pointer'"),
    ],
)
async def test_what_is_not_there_is_a_problem(
    start_service: StartService, request_body: dict[str, Any], query: str, status: int, message: str
) -> None:
    async with start_service(ScriptedModule(), ScriptedModule("beta")) as service:
        run_id = (await service.post("/plan_and_execute", json=request_body)).json()["run_id"]
        answer = await service.get(f"/runs/{run_id}/evidence?{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert message in answer.text


async def test_evidence_of_an_unknown_run_is_404(start_service: StartService) -> None:
    async with start_service(ScriptedModule()) as service:
        assert (await service.get("/runs/run_2026-01-09T12-34-56Z_ab12cd/evidence")).status_code == 404
