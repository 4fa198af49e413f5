"""What a run costs, in counts that are the same on every machine: whoever changes one of them has to say so here."""

from collections import Counter
from typing import Any

from counted_calls import counted_calls
from scripted_module import ScriptedModule, StartService, artifact, success

RUNS = 5
COST = {
    # Log, modules.json, run.json twice, results.json, manifest; per step request, response, result; two artifacts; and the
    # folder of runs, which is locked while that of the run is made.
    "files opened": 14,
    # A line for each of nine events; run.json and results.json twice each, since their length says how they are written.
    "JSON texts written": 30,
    # One says that the folder is made, one that the run is on disk.
    "thread hops": 2,
}


async def cost_of_a_run(start_service: StartService, request_body: dict[str, Any]) -> dict[str, float]:
    """What one of several runs costs, after a first one that fills what is kept for the next."""
    answer = success("alpha", artifacts=[artifact("table.csv"), artifact("brief.md")])
    modules = ScriptedModule("alpha", answers=[answer]), ScriptedModule("beta", answers=[success("beta")])
    with counted_calls() as counts:
        async with start_service(*modules) as client:
            await client.post("/plan_and_execute", json=request_body)
            before = Counter(counts)
            for _ in range(RUNS):
                answered = await client.post("/plan_and_execute", json=request_body)
                assert answered.json()["status"] == "completed"
            counts.subtract(before)
            return {name: count / RUNS for name, count in counts.items()}


async def test_run_of_two_steps_costs_what_it_did(start_service: StartService, request_body: dict[str, Any]) -> None:
    """Where it costs less, lower the count: the next change could take up the difference unseen."""
    assert await cost_of_a_run(start_service, request_body) == COST
