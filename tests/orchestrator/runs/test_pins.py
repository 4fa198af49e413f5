"""A run is held to the versions of modules that it pins: before it is created, and again at each step."""

from typing import Any

import httpx2
import pytest
from scripted_module import Answer, ReadRun, ScriptedModule, StartService, success

from ops_orchestrator.runs.provenance import recipe_fingerprint

ADAPTER = """
defaults: {{ ready_timeout_s: 600, backoff_s: 0, retries: 0 }}
modules:
  alpha:
    url: http://alpha.test
    adapter:
      health: {health}
      actions: {{ score: {{ path: /execute, body: inputs{version} }} }}
"""


def request(pin: Any, *modules: str) -> dict[str, Any]:
    return {"scenario_id": "demo", "modules": list(modules or ("alpha",)), "run_options": {"pin": pin}}


async def ask(service: httpx2.AsyncClient, pin: Any, *modules: str) -> tuple[int, Any]:
    response = await service.post("/plan_and_execute", json=request(pin, *modules))
    return response.status_code, response.json()


@pytest.mark.parametrize(
    ("pin", "mismatch"),
    [
        ("1.2.4", "states the version '1.2.3', and the run pins '1.2.4'"),
        ({"image_digest": "sha256:a"}, "has no image digest in modules.yaml, and the run pins 'sha256:a'"),
        ({"version": "1.2.3", "image_digest": "sha256:a"}, "has no image digest in modules.yaml, and the run pins 'sha256:a'"),
    ],
)
async def test_run_is_not_made_when_a_module_is_not_the_pinned_one(
    start_service: StartService, pin: Any, mismatch: str
) -> None:
    alpha, beta = ScriptedModule(), ScriptedModule("beta")
    async with start_service(alpha, beta) as service:
        status, problem = await ask(service, {"alpha": pin, "beta": "1.2.3"}, "beta", "alpha")
        assert (status, problem["type"]) == (409, "urn:openpolicystack:problem:pinned-version")
        assert problem["errors"] == [{"pointer": "/run_options/pin/alpha", "detail": mismatch}]
        assert f"alpha {mismatch}. To go on, start the module that is pinned" in problem["detail"]
        assert (await service.get("/runs")).json()["runs"] == []
    assert not alpha.executed


async def test_run_of_the_pinned_versions_keeps_its_pins_and_has_the_recipe_of_one_without(
    start_service: StartService, read_run: ReadRun
) -> None:
    async with start_service(ScriptedModule()) as service:
        status, pinned = await ask(service, {"alpha": {"version": "1.2.3"}})
        _, free = await ask(service, {})
    assert (status, pinned["status"]) == (200, "completed")
    records = [read_run(run["run_id"], "run.json") for run in (pinned, free)]
    assert records[0]["request"]["run_options"]["pin"] == {"alpha": "1.2.3"}
    assert records[0]["fingerprints"] == records[1]["fingerprints"]
    assert records[0]["fingerprints"]["recipe"]


async def test_key_of_a_run_that_a_pin_refused_is_free_again(start_service: StartService) -> None:
    async with start_service(ScriptedModule()) as service:
        for version, status in (("1.0.0", 409), ("1.2.3", 200)):
            body, headers = request({"alpha": version}), {"Idempotency-Key": "once"}
            assert (await service.post("/plan_and_execute", json=body, headers=headers)).status_code == status


@pytest.mark.parametrize(
    ("health", "answer", "found"),
    [
        (["not ready", "1.3.0"], "1.3.0", "states the version '1.3.0'"),
        (["not ready", "1.2.3"], "1.3.0", "states the version '1.3.0'"),
    ],
)
async def test_step_fails_when_its_module_becomes_another_than_the_pinned_one(
    start_service: StartService, health: list[str], answer: str, found: str
) -> None:
    alpha = ScriptedModule(answers=[success(version=answer)])
    alpha.health = [_healthy(alpha, version) for version in health]
    async with start_service(alpha, options={"ready_timeout_s": 60}) as service:
        status, run = await ask(service, {"alpha": "1.2.3"})
    assert (status, run["error"]["code"], run["error"]["step"]) == (502, "VERSION_CHANGED", "alpha")
    assert run["error"]["message"].startswith(f"alpha {found}, and the run pins '1.2.3'; start the module")


@pytest.mark.parametrize(
    ("health", "version", "answer", "status"),
    [
        ("none", "", "1.2.3", 409),
        ("/health", "", "1.2.3", 409),
        ("{ path: /health, version: response.body.version }", "", "1.2.3", 200),
        ("none", ", version: response.body.version", "1.2.3", 200),
        ("none", ", version: response.body.version", "1.2.4", 502),
        ("none", ", version: response.body.version", None, 502),
    ],
)
async def test_adapted_module_is_held_to_a_pin_where_its_adapter_finds_its_version(
    start_service: StartService, health: str, version: str, answer: str | None, status: int
) -> None:
    alpha = ScriptedModule(answers=[httpx2.Response(200, json={"score": 1} | ({"version": answer} if answer else {}))])
    async with start_service(alpha, registered=ADAPTER.format(health=health, version=version)) as service:
        assert (await ask(service, {"alpha": "1.2.3"}))[0] == status


@pytest.mark.parametrize(
    ("pin", "pointer"),
    [
        ({"beta": "1"}, "/run_options/pin/beta"),
        ({"alpha": ""}, "/run_options/pin/alpha/version"),
        ({"alpha": {}}, "/run_options/pin/alpha"),
        ({"alpha": 1}, "/run_options/pin/alpha"),
        ({"alpha": {"versoin": "1"}}, "/run_options/pin/alpha/versoin"),
        ({f"m{number}": "1" for number in range(101)}, "/run_options/pin"),
        (["alpha"], "/run_options/pin"),
    ],
)
async def test_pin_that_cannot_be_meant_is_refused_with_a_pointer(start_service: StartService, pin: Any, pointer: str) -> None:
    async with start_service(ScriptedModule(), ScriptedModule("beta")) as service:
        status, problem = await ask(service, pin)
    assert (status, problem["errors"][0]["pointer"]) == (422, pointer)


def _healthy(module: ScriptedModule, version: str) -> Answer:
    if version == "not ready":
        return httpx2.Response(503)
    return httpx2.Response(200, json=module.healthy(version=version))


def test_recipe_does_not_depend_on_pins() -> None:
    free, pinned = ({"inputs": {}, "run_options": {"seed": 0} | options} for options in ({}, {"pin": {"alpha": "1"}}))
    assert recipe_fingerprint(free, [], {}) == recipe_fingerprint(pinned, [], {})
