"""What adapters cost: CPU per mapping, per adapted step, and for modules that have none. Run it with `make bench`.

Times are CPU time of this process; each figure is the median of several rounds. Ratios compare what one round measured in turn.
"""

import asyncio
import json
import os
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from ops_orchestrator.modules.adapters.evaluation import Evaluation
from ops_orchestrator.modules.adapters.expression import Expression
from ops_orchestrator.modules.adapters.request import map_request
from ops_orchestrator.modules.catalogue import Catalogue, load_catalogue
from ops_orchestrator.modules.client import ModuleClient
from ops_orchestrator.modules.module import Module
from ops_orchestrator.modules.transport import BoundedChunks, Response
from ops_orchestrator.planning.planner import plan
from ops_orchestrator.planning.scenario import Scenario
from ops_orchestrator.runs.runner import Runner
from ops_orchestrator.settings import Settings
from ops_stubs.policy_bare import RunScenario, run_scenario

ROOT: Final = Path(__file__).parents[1]
ROUNDS: Final = 7
MIB: Final = 1024 * 1024

ENVELOPE: Final = {"status": "success", "module": "alpha", "outputs": {"kpis": {"growth": 0.02, "debt": 0.5}}}
HEALTH: Final = {"status": "ok", "module": "alpha", "version": "1.0", "contract_versions": ["1.0"]}


def mapping_costs(catalogue: Catalogue) -> dict[str, float]:
    """Milliseconds of CPU that each expression of the example's policy simulator takes, on a real answer."""
    adapter = catalogue.modules["policy-simulator"].adapter
    assert adapter is not None  # noqa: S101  # it is the example of one
    action = adapter.actions["run_scenario"]
    asked = json.loads((ROOT / "examples/adapters/scenario.json").read_bytes())
    context: dict[str, Any] = {"inputs": asked["inputs"], "seed": 42, "upstream": {}}
    request = map_request(action, Evaluation("policy-simulator", "run_scenario", context))
    body = run_scenario(RunScenario.model_validate_json(request.body))
    context["response"] = {"status": 200, "headers": {}, "body": body}
    mappings = {
        "request (8 fields)": action.body,
        "outputs (7 rows, 3 maps)": action.outputs,
        "evidence": action.evidence,
        "artifact": action.artifacts[0].text,
    }
    return {name: 1000 * _cpu(partial(e.evaluate, context), 200) for name, e in mappings.items() if isinstance(e, Expression)}


async def step_costs(catalogue: Catalogue) -> tuple[float, float, float]:
    """Milliseconds of CPU for a step of the contract: alone, with adapters registered beside it, and for an adapted step."""
    alpha = Module(name="alpha", url="http://alpha.test")
    without, beside = Catalogue({"alpha": alpha}), Catalogue({**catalogue.modules, "alpha": alpha})
    client = ModuleClient(Settings().limits, InProcess())
    rounds: list[tuple[float, ...]] = []
    for _ in range(ROUNDS):
        measured = [
            await _cpu_of_run(client, without, {"module": "alpha"}),
            await _cpu_of_run(client, beside, {"module": "alpha"}),
            await _cpu_of_run(client, catalogue, {"module": "supplychain-risk"}),
        ]
        rounds.append(tuple(measured))
    await client.aclose()
    alone, with_others, adapted = (1000 * statistics.median(values) for values in zip(*rounds, strict=True))
    return alone, with_others, adapted


async def _cpu_of_run(client: ModuleClient, catalogue: Catalogue, step: dict[str, str], times: int = 100) -> float:
    asked = {"scenario_id": "bench", "modules": [step], "inputs": {"country": "DO", "sector": "tourism"}}
    scenario = Scenario.model_validate(asked)
    steps = plan(scenario, catalogue)

    async def once() -> None:
        ended = await Runner(client, None, _forget).execute("run-1", scenario, steps)
        assert ended.status == "completed"  # noqa: S101  # otherwise nothing was measured

    return await _cpu_async(once, times)


async def _forget(*_: object) -> None:
    """Keep nothing of what happens in a run."""


class InProcess:
    """A transport without a network, on which every module answers at once."""

    async def send(self, _method: str, url: str, _headers: Mapping[str, str], _body: bytes, *, limit: int) -> Response:
        """See Transport."""
        parts = [b"", _answer(url)]

        async def read() -> bytes:
            return parts.pop()

        headers = {"content-type": "application/json"}
        return Response(url=url, status=200, headers=headers, chunks=BoundedChunks(read, limit), aclose=self.aclose)

    async def aclose(self) -> None:
        """See Transport."""


def _answer(url: str) -> bytes:
    if url.endswith("/score"):
        breakdown = [{"k": f"component_{number}", "v": number / 10} for number in range(5)]
        return json.dumps({"iso": "DO", "score": "0.41", "band": "B", "breakdown": breakdown, "src": ["a", "b"]}).encode()
    return json.dumps(HEALTH if url.endswith("/health") else ENVELOPE).encode()


def _cpu(call: Callable[[], object], times: int) -> float:
    rounds = []
    for _ in range(ROUNDS):
        started = time.process_time()
        for _ in range(times):
            call()
        rounds.append((time.process_time() - started) / times)
    return statistics.median(rounds)


async def _cpu_async(call: Callable[[], Awaitable[None]], times: int) -> float:
    started = time.process_time()
    for _ in range(times):
        await call()
    return (time.process_time() - started) / times


def main() -> None:
    """Measure and print."""
    catalogue = load_catalogue(ROOT / "examples/adapters/modules.yaml", os.environ)
    print("CPU per evaluation")
    for name, cost in mapping_costs(catalogue).items():
        print(f"  {name:28} {cost:7.3f} ms")
    alone, with_others, adapted = asyncio.run(step_costs(catalogue))
    print("CPU per step, network left out")
    print(f"  of the contract              {alone:7.3f} ms")
    print(f"  the same, adapters beside it {with_others:7.3f} ms   ratio {with_others / alone:.2f}")
    print(f"  adapted                      {adapted:7.3f} ms   ratio {adapted / alone:.2f}")


if __name__ == "__main__":
    main()
