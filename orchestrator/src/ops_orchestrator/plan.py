"""A plan: the ordered module calls that a scenario comes down to."""

from dataclasses import dataclass
from typing import Any

from ops_orchestrator.module import Module


@dataclass(frozen=True)
class Step:
    """One module call. `number` counts from 1; `id` is unique in the plan, also ignoring case."""

    number: int
    id: str
    module: Module
    action: str

    def as_json(self) -> dict[str, Any]:
        """The step as the seed shows it in the answer."""
        return {"step": self.number, "module": self.module.name, "action": self.action}


@dataclass(frozen=True)
class Plan:
    """The steps of a run, in the order of their execution."""

    steps: tuple[Step, ...]

    def as_json(self) -> list[dict[str, Any]]:
        """The plan as the seed shows it in the answer."""
        return [step.as_json() for step in self.steps]
