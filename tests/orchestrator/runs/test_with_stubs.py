"""The orchestrator and all stubs in one process: real requests and real answers, no network between them."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from local_service import MODULES, ROOT
from module_transport import Httpx2Transport

from ops_contract import sha256_hex
from ops_orchestrator.service.app import create_app
from ops_orchestrator.settings import Settings
from ops_stubs.app import create_all

pytestmark = pytest.mark.slow


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    registered = "".join(f"  {name}: {{url: 'http://stubs/{name}'}}\n" for name in MODULES)
    (tmp_path / "modules.yaml").write_text(f"modules:\n{registered}")
    settings = Settings(modules_file=tmp_path / "modules.yaml", runs_dir=tmp_path / "runs", _env_file=None)
    app = create_app(settings, Httpx2Transport(httpx2.ASGITransport(create_all())))
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://ops.localhost") as client,
    ):
        yield client


def scenario(name: str, **inputs: Any) -> dict[str, Any]:
    """One of the shipped scenarios, with other inputs."""
    shipped = json.loads((ROOT / "examples" / f"{name}.json").read_bytes())
    return {**shipped, "inputs": {**shipped["inputs"], **inputs}}


@pytest.mark.parametrize(
    "name", ["plan_and_execute.request", "baseline", "vat-raised", "vat-lowered", "other-country", "all-modules"]
)
async def test_shipped_scenario_completes_with_every_artifact_stored(
    service: httpx2.AsyncClient, tmp_path: Path, name: str
) -> None:
    answer = (await service.post("/plan_and_execute", json=scenario(name))).json()
    assert answer["status"] == "completed", answer
    results = json.loads((tmp_path / "runs" / answer["run_id"] / "results.json").read_bytes())
    for step in results["steps"].values():
        for artifact in step["artifacts"]:
            stored = (tmp_path / "runs" / answer["run_id"] / artifact["path"]).read_bytes()
            assert sha256_hex(stored) == artifact["sha256"]


async def test_example_of_the_readme_answers_with_the_documented_fields_alone(service: httpx2.AsyncClient) -> None:
    answer = (await service.post("/plan_and_execute", json=scenario("plan_and_execute.request"))).json()
    assert set(answer) == {"run_id", "status", "plan", "results", "artifacts_path", "logs_path"}


async def test_modules_of_all_stubs_are_ready_and_speak_this_contract(service: httpx2.AsyncClient) -> None:
    modules = (await service.get("/modules")).json()["modules"]
    assert {module["name"]: module["contract_versions"] for module in modules if module["ready"]} == {
        name: ["1.0"] for name in MODULES
    }


async def test_raised_vat_shows_in_figures_and_brief(service: httpx2.AsyncClient, tmp_path: Path) -> None:
    answer = (await service.post("/plan_and_execute", json=scenario("vat-raised"))).json()
    simulated = answer["results"]["policy-simulator"]
    assert simulated["kpis"]["revenue_share_gdp"] > simulated["baseline"]["revenue_share_gdp"]
    brief = (tmp_path / "runs" / answer["run_id"] / "artifacts/strategy-agent/brief.md").read_text()
    assert f"government revenue {simulated['kpis']['revenue_share_gdp']:.1%}".replace("%", " %") in brief


@pytest.mark.parametrize(
    ("inputs", "pointer"),
    [
        ({"policy_parameters": {"vat_rate": 7}}, "/inputs/policy_parameters/vat_rate"),
        ({"country": "Atlantis"}, "/inputs/country"),
        ({"time_horizon_years": 0}, "/inputs/time_horizon_years"),
    ],
)
async def test_input_that_makes_no_sense_is_refused_by_the_module_with_a_pointer(
    service: httpx2.AsyncClient, inputs: dict[str, Any], pointer: str
) -> None:
    response = await service.post("/plan_and_execute", json=scenario("baseline", **inputs))
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["module"]) == (502, "MODULE_ERROR", "policy-simulator")
    assert error["module_error"]["pointer"] == pointer


async def test_seed_decides_the_result(service: httpx2.AsyncClient) -> None:
    found = []
    for seed in (42, 42, 43):
        request = {**scenario("baseline"), "run_options": {"seed": seed}}
        run_id = (await service.post("/plan_and_execute", json=request)).json()["run_id"]
        found.append((await service.get(f"/runs/{run_id}")).json()["fingerprints"]["result"])
    assert found[0] == found[1] != found[2]
