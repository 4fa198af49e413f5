"""What the requests of a run say of it in their headers: for balancers, and for those who trace calls."""

import httpx2
from scripted_module import ScriptedModule, StartService, artifact, success

from ops_contract import sha256_hex, trace_of


async def test_calls_and_fetches_of_a_run_say_which_run_and_step_they_belong_to_and_are_in_one_trace(
    start_service: StartService,
) -> None:
    plot = artifact("f.txt", href="f.txt")
    alpha = ScriptedModule(answers=[success(artifacts=[plot])], files={"/f.txt": httpx2.Response(200, content=b"figures")})
    beta = ScriptedModule("beta")
    async with start_service(alpha, beta) as service:
        asked = {"scenario_id": "demo", "modules": ["alpha", "beta"]}
        run_id = (await service.post("/plan_and_execute", json=asked)).json()["run_id"]
    called = [*alpha.executed, alpha.requests[-1], *beta.executed]
    assert [(each.headers["ops-run-id"], each.headers["ops-step-id"]) for each in called] == [
        (run_id, "alpha"),
        (run_id, "alpha"),
        (run_id, "beta"),
    ]
    traces = [trace_of(each.headers)["trace_id"] for each in called]
    assert set(traces) == {sha256_hex(run_id.encode())[:32]}
    assert len({each.headers["traceparent"] for each in called}) == 2
