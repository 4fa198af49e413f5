"""A plan: the ordered module calls that a scenario comes down to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ops_orchestrator.modules.module import Module


@dataclass(frozen=True)
class Step:
    """One module call. `number` counts from 1; `id` is unique in the plan, also ignoring case; `inputs` are its own only."""

    number: int
    id: str
    module: Module
    action: str
    inputs: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The step as the seed shows it in the answer, with `id` and `inputs` where the step has its own."""
        fields = {"step": self.number, "module": self.module.name, "action": self.action}
        own_id = {"id": self.id} if self.id != self.module.name else {}
        return fields | own_id | ({"inputs": self.inputs} if self.inputs else {})


@dataclass(frozen=True)
class Plan:
    """The steps of a run, in the order of their execution."""

    steps: tuple[Step, ...]

    def as_json(self) -> list[dict[str, Any]]:
        """The plan as the seed shows it in the answer."""
        return [step.as_json() for step in self.steps]
