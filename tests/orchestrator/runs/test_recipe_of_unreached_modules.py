"""A recipe fingerprint names every module's version; of a module that was never reached there is none to name."""

import httpx2
import pytest
from scripted_module import ReadRun, ScriptedModule, StartService, error_envelope

REFUSAL = httpx2.Response(422, json=error_envelope())


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (ScriptedModule("alpha", health=[httpx2.ConnectError("refused")]), ScriptedModule("beta")),
        (ScriptedModule("alpha", answers=[REFUSAL]), ScriptedModule("beta")),
        (ScriptedModule("alpha"), ScriptedModule("beta", health=[httpx2.ConnectError("refused")])),
    ],
    ids=["first-is-unreachable", "first-refuses", "second-is-unreachable"],
)
async def test_run_that_never_reached_a_module_has_no_recipe_fingerprint(
    start_service: StartService, read_run: ReadRun, first: ScriptedModule, second: ScriptedModule
) -> None:
    async with start_service(first, second, options={"ready_timeout_s": 0}) as service:
        answer = (await service.post("/plan_and_execute", json={"scenario_id": "demo", "modules": ["alpha", "beta"]})).json()
    assert answer["status"] == "failed"
    assert read_run(answer["run_id"], "run.json")["fingerprints"] == {"recipe": None, "result": None}


async def test_run_that_failed_after_it_reached_all_modules_has_a_recipe_fingerprint(
    start_service: StartService, read_run: ReadRun
) -> None:
    async with start_service(ScriptedModule("alpha"), ScriptedModule("beta", answers=[REFUSAL])) as service:
        answer = (await service.post("/plan_and_execute", json={"scenario_id": "demo", "modules": ["alpha", "beta"]})).json()
    fingerprints = read_run(answer["run_id"], "run.json")["fingerprints"]
    assert (len(fingerprints["recipe"]), fingerprints["result"]) == (64, None)
