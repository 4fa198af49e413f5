"""One step about to be executed: everything its request can be made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ops_contract import ArtifactRef, Options, SuccessEnvelope
from ops_orchestrator.exchange import Exchange
from ops_orchestrator.modules.adapters.body import decoded
from ops_orchestrator.modules.module import Module
from ops_orchestrator.planning.steps import Step


@dataclass(frozen=True)
class Answered:
    """What an earlier step of the run gave: its envelope and the artifacts as they were received.

    `exchange` is there when a later step may want the raw answer.
    """

    envelope: SuccessEnvelope
    artifacts: tuple[ArtifactRef, ...]
    exchange: Exchange | None

    @cached_property
    def raw(self) -> Any:
        """The raw answer: JSON where it is JSON, else text; None for anything else."""
        return decoded(self.exchange) if self.exchange else None


@dataclass(frozen=True, kw_only=True)
class Call:
    """One module call. `inputs` are the scenario's with the step's merged over them; `upstream` is by step id."""

    run_id: str
    scenario_id: str
    step: Step
    inputs: Mapping[str, Any]
    seed: int
    upstream: Mapping[str, Answered]

    @property
    def options(self) -> Options:
        """What the module is told of the run's options."""
        return Options(seed=self.seed, deadline_s=_deadline_s(self.step.module))


def _deadline_s(module: Module) -> float:
    """Seconds the module is given: less than we wait, by the second in which it says that it was too slow (OPS-LIM-002)."""
    return max(module.timeout_s - 1.0, module.timeout_s / 2)
