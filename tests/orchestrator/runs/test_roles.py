"""Steps that name what they need by role: what they are sent, what the record says, and what comparisons say of it."""

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from scripted_module import ReadRun, ScriptedModule, StartService, success

MODULES = """
defaults: { ready_timeout_s: 600, backoff_s: 0, retries: 0 }
modules:
  alpha: { url: http://alpha.test }
  beta:
    url: http://beta.test
    adapter:
      actions:
        report: { path: /report, needs: { assessment: alpha }, body: needs.assessment.outputs }
"""


def steps(bound: str | None = None) -> list[dict[str, Any]]:
    report = {"module": "beta"} | ({"with": {"assessment": bound}} if bound else {})
    return [{"module": "alpha", "id": "a1"}, {"module": "alpha", "id": "a2", "inputs": {"x": 1}}, report]


def modules() -> tuple[ScriptedModule, ScriptedModule]:
    def assess(request: httpx2.Request) -> httpx2.Response:
        return success(outputs={"score": json.loads(request.content)["inputs"].get("x", 0)})

    def report(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, json={"of": json.loads(request.content)["score"]})

    return ScriptedModule("alpha", answers=[assess]), ScriptedModule("beta", files={"/report": report})


async def run_of(service: httpx2.AsyncClient, bound: str | None = None) -> dict[str, Any]:
    return dict((await service.post("/plan_and_execute", json={"scenario_id": "demo", "modules": steps(bound)})).json())


async def test_expressions_see_the_bound_step_by_its_role_and_the_record_says_which(
    start_service: StartService, read_run: ReadRun
) -> None:
    async with start_service(*modules(), registered=MODULES) as service:
        found = [await run_of(service, bound) for bound in (None, "a1", "a2")]
    assert [answer["results"]["beta"]["of"] for answer in found] == [1, 0, 1]
    assert [answer["plan"][2]["with"] for answer in found] == [{"assessment": step} for step in ("a2", "a1", "a2")]
    records = [read_run(answer["run_id"], "run.json") for answer in found]
    recipes = [record["fingerprints"]["recipe"] for record in records]
    assert recipes[0] == recipes[2] != recipes[1]
    assert records[1]["request"]["modules"][2] == steps("a1")[2]


async def test_run_with_a_binding_is_reproduced_and_resumed_with_it(start_service: StartService) -> None:
    alpha, beta = modules()
    answers, beta.files = beta.files, {"/report": httpx2.Response(500)}
    async with start_service(alpha, beta, registered=MODULES) as service:
        run_id = (await run_of(service, "a1"))["run_id"]
        beta.files = answers
        resumed = (await service.post(f"/runs/{run_id}/resume")).json()
        offline = (await service.post(f"/runs/{run_id}/reproduce", json={"offline": True})).json()
        online = (await service.post(f"/runs/{run_id}/reproduce")).json()
    assert (resumed["status"], resumed["results"]["beta"]["of"]) == ("completed", 0)
    for again in (offline, online):
        assert (again["reproduction"]["grade"], again["plan"]) == ("identical", resumed["plan"]), again


async def test_comparison_names_the_other_step_that_met_a_need(start_service: StartService) -> None:
    async with start_service(*modules(), registered=MODULES) as service:
        first, second = [(await run_of(service, bound))["run_id"] for bound in ("a1", "a2")]
        found = (await service.get(f"/runs/{first}/diff/{second}")).json()
    (change,) = found["plan"]["listed"]
    assert (change["pointer"], change["a"], change["b"]) == ("/beta/with/assessment", "a1", "a2")
    assert "its need assessment is met by another step (a1 → a2)" in found["cause"]
    assert "only in" not in found["cause"]


async def test_synthetic_figures_come_with_the_bound_step_alone(start_service: StartService, tmp_path: Path) -> None:
    def assess(request: httpx2.Request) -> httpx2.Response:
        made_up = {"synthetic": True} if json.loads(request.content)["step_id"] == "a2" else {}
        return success(outputs={"score": 1}, evidence=[{"id": "x", "kind": "source", "title": "census", **made_up}])

    _, beta = modules()
    async with start_service(ScriptedModule("alpha", answers=[assess]), beta, registered=MODULES) as service:
        found = [(await run_of(service, bound))["run_id"] for bound in ("a1", "a2")]
    records = [json.loads((tmp_path / "runs" / run_id / "run.json").read_bytes()) for run_id in found]
    assert [record["steps"][2]["synthetic"] for record in records] == [False, True]


@pytest.mark.parametrize("bound", [5, {"assessment": 1}, {"assessment": "../x"}])
async def test_binding_of_another_shape_is_a_problem_at_its_place(start_service: StartService, bound: Any) -> None:
    body = {"scenario_id": "demo", "modules": ["alpha", {"module": "beta", "with": bound}]}
    async with start_service(*modules(), registered=MODULES) as service:
        answer = await service.post("/plan_and_execute", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].startswith("/modules/1/with")
