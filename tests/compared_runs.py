"""Runs of one scenario with scripted modules, made to be compared."""

from pathlib import Path
from typing import Any

import httpx2
from scripted_module import Answer, ScriptedModule, StartService, success

from ops_orchestrator.runs.comparison.diff import RunDiff, diff_runs
from ops_orchestrator.runs.comparison.grades import Tolerance, Tolerances
from ops_orchestrator.runs.comparison.places import BRIEF, Limits
from ops_orchestrator.runs.store.folder_run import FolderRun

ADAPTED = """
defaults: { ready_timeout_s: 600, backoff_s: 0, retries: 0 }
modules:
  alpha: { url: http://alpha.test }
  beta:
    url: http://beta.test
    adapter:
      health: none
      actions:
        score:
          path: /score
          body: '{ "growth": upstream.alpha.outputs.kpis.growth, "iso": inputs.country }'
          outputs: '{ "score": OUTPUT }'
"""


class Runs:
    """Runs of one scenario, one after the other, and the comparison of the first two."""

    def __init__(self, start: StartService, store: Path) -> None:
        self.start = start
        self.store = store
        self.ids: list[str] = []

    async def add(self, *modules: ScriptedModule, registered: str | None = None, times: int = 1, **asked: Any) -> None:
        """Run `modules` once more, or `asked` in place of the usual request."""
        body = {"scenario_id": "demo", "modules": [module.name for module in modules], "inputs": {"country": "DR"}, **asked}
        async with self.start(*modules, registered=registered, options={"retries": 0}) as service:
            for _ in range(times):
                self.ids.append((await service.post("/plan_and_execute", json=body)).json()["run_id"])

    def diff(self, rel: float = 0.0, limits: Limits = BRIEF) -> RunDiff:
        a, b = (FolderRun(self.store, run_id) for run_id in self.ids[:2])
        return diff_runs(a, b, Tolerances(Tolerance(rel=rel)), limits)


def alpha(*answers: Answer, version: str = "1.2.3") -> ScriptedModule:
    module = ScriptedModule(answers=list(answers))
    module.health.append(httpx2.Response(200, json=module.healthy(version=version)))
    return module


def found(value: object = 0.02, **fields: Any) -> httpx2.Response:
    return success(outputs={"kpis": {"growth": value}}, **fields)
