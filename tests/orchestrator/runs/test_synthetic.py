"""Made-up figures make all that uses them synthetic, and a step without evidence has a warning."""

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from scripted_module import EVIDENCE, ReadRun, ScriptedModule, StartService, error_envelope, success

from ops_orchestrator.runs.store.folder_run import FolderRun
from ops_orchestrator.runs.verification import verify_run

MADE_UP = [{"id": "e", "kind": "dataset", "title": "Invented", "synthetic": True}]
NO_EVIDENCE = "no evidence: nothing says what its figures rest on"


def registered(**bodies: str) -> str:
    """A modules.yaml with the contract's alpha and beta, and an adapted module for each of `bodies`, which it is sent."""
    modules: dict[str, Any] = {name: {"url": f"http://{name}.test"} for name in ("alpha", "beta")}
    for name, body in bodies.items():
        action = {"path": "/run", "body": body, "evidence": '"Census"'}
        modules[name] = {"url": f"http://{name}.test", "adapter": {"health": "none", "actions": {"run": action}}}
    return json.dumps({"defaults": {"ready_timeout_s": 600, "backoff_s": 0, "retries": 0}, "modules": modules})


def adapted(name: str) -> ScriptedModule:
    return ScriptedModule(name, files={"/run": httpx2.Response(200, json={"growth": 1})})


async def ran(service: httpx2.AsyncClient, *modules: str) -> str:
    request = {"scenario_id": "demo", "modules": modules, "inputs": {}}
    return str((await service.post("/plan_and_execute", json=request)).json()["run_id"])


def synthetic_in(record: dict[str, Any]) -> list[str]:
    return [step["id"] for step in record["steps"] if step["synthetic"]]


async def test_module_of_the_contract_may_use_every_earlier_answer(start_service: StartService, read_run: ReadRun) -> None:
    alpha = ScriptedModule(answers=[success(evidence=EVIDENCE)])
    beta = ScriptedModule("beta", answers=[success("beta", evidence=MADE_UP)])
    gamma = ScriptedModule("gamma", answers=[success("gamma", evidence=EVIDENCE)])
    async with start_service(alpha, beta, gamma) as service:
        record = read_run(await ran(service, "alpha", "beta", "gamma"), "run.json")
    assert synthetic_in(record) == ["beta", "gamma"]


@pytest.mark.parametrize(
    ("body", "synthetic"),
    [
        ("upstream.alpha.outputs", ["alpha", "gamma"]),
        ("upstream.beta.outputs", ["alpha"]),
        ("inputs", ["alpha"]),
        ('$lookup(upstream, "beta")', ["alpha", "gamma"]),
        ("[upstream.beta, upstream.*]", ["alpha", "gamma"]),
        ("**.growth", ["alpha", "gamma"]),
        ("inputs.(%.upstream.beta.outputs)", ["alpha", "gamma"]),
        ("($all := $$; $all.upstream.alpha.outputs)", ["alpha", "gamma"]),
    ],
)
async def test_adapted_module_uses_what_its_mappings_may_read(
    start_service: StartService, read_run: ReadRun, body: str, synthetic: list[str]
) -> None:
    # The second step follows the contract, and would be synthetic after the first.
    text = registered(beta="{}", gamma=body)
    alpha = ScriptedModule(answers=[success(evidence=MADE_UP)])
    async with start_service(alpha, adapted("beta"), adapted("gamma"), registered=text) as service:
        record = read_run(await ran(service, "alpha", "beta", "gamma"), "run.json")
    assert synthetic_in(record) == synthetic


async def test_what_is_made_up_passes_through_steps_in_between(
    start_service: StartService, read_run: ReadRun, tmp_path: Path
) -> None:
    text = registered(gamma="upstream.beta.outputs")
    alpha = ScriptedModule(answers=[success(evidence=MADE_UP)])
    beta = ScriptedModule("beta", answers=[success("beta", evidence=EVIDENCE)])
    async with start_service(alpha, beta, adapted("gamma"), registered=text) as service:
        run_id = await ran(service, "alpha", "beta", "gamma")
    assert synthetic_in(read_run(run_id, "run.json")) == ["alpha", "beta", "gamma"]
    assert verify_run(FolderRun(tmp_path / "runs", run_id)).findings == ()


async def test_resumed_run_knows_that_earlier_steps_were_synthetic(start_service: StartService, read_run: ReadRun) -> None:
    text = registered(gamma="upstream.beta.outputs")
    alpha = ScriptedModule(answers=[success(evidence=MADE_UP)])
    beta = ScriptedModule("beta", answers=[success("beta", evidence=EVIDENCE)])
    gamma = ScriptedModule("gamma")
    gamma.files["/run"] = httpx2.Response(422, json=error_envelope("gamma"))
    async with start_service(alpha, beta, gamma, registered=text) as service:
        run_id = await ran(service, "alpha", "beta", "gamma")
        assert synthetic_in(read_run(run_id, "run.json")) == ["alpha", "beta"]
        gamma.files["/run"] = httpx2.Response(200, json={"growth": 1})
        assert (await service.post(f"/runs/{run_id}/resume")).status_code == 200
    assert synthetic_in(read_run(run_id, "run.json")) == ["alpha", "beta", "gamma"]


@pytest.mark.parametrize(
    ("fields", "warnings"),
    [
        ({"outputs": {"kpis": {"growth": 1}}}, [NO_EVIDENCE]),
        ({"outputs": {"list": [{"a": [], "b": {}}, {"c": [None, [0]]}]}, "warnings": ["careful"]}, ["careful", NO_EVIDENCE]),
        ({"outputs": {"kpis": {"growth": 1}}, "evidence": EVIDENCE}, []),
        ({"outputs": {"kpis": {"growth": 1}}, "evidence": [{"id": "e", "kind": "k", "title": "t"}]}, []),
        ({"outputs": {"done": True, "text": "1", "nothing": None, "list": []}}, []),
        ({"outputs": {}}, []),
    ],
)
async def test_step_with_figures_and_no_evidence_has_a_warning(
    start_service: StartService, read_run: ReadRun, fields: dict[str, Any], warnings: list[str]
) -> None:
    async with start_service(ScriptedModule(answers=[success(**fields)])) as service:
        record = read_run(await ran(service, "alpha"), "run.json")
    assert record["steps"][0]["warnings"] == warnings


async def test_warning_of_the_orchestrator_is_not_one_of_the_module(
    start_service: StartService, read_run: ReadRun, tmp_path: Path
) -> None:
    async with start_service(ScriptedModule(), ScriptedModule("beta")) as service:
        run_id = await ran(service, "alpha")
        listed = (await service.get("/runs")).json()["runs"]
    assert [run["warnings"] for run in listed] == [1]
    assert read_run(run_id, "results.json")["steps"]["alpha"]["warnings"] == []
    assert verify_run(FolderRun(tmp_path / "runs", run_id)).findings == ()
