"""A plan: the ordered module calls that a scenario comes down to."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ops_orchestrator.modules.module import Module


@dataclass(frozen=True)
class Step:
    """One module call. `number` counts from 1; `id` is unique in the plan, also ignoring case; `inputs` are its own only.

    `needs` has the earlier steps that meet the needs of its module, by role.
    """

    number: int
    id: str
    module: Module
    action: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    needs: Mapping[str, str] = field(default_factory=dict)

    def with_needs(self, needs: Mapping[str, str]) -> "Step":
        """The step with the earlier steps that meet its needs."""
        return replace(self, needs=needs) if needs else self

    def as_json(self) -> dict[str, Any]:
        """The step as the seed shows it in the answer, with `id`, `inputs` and `with` where the step has its own."""
        fields = {"step": self.number, "module": self.module.name, "action": self.action}
        own_id = {"id": self.id} if self.id != self.module.name else {}
        bound = {"with": dict(self.needs)} if self.needs else {}
        return fields | own_id | ({"inputs": self.inputs} if self.inputs else {}) | bound


@dataclass(frozen=True)
class Plan:
    """The steps of a run, in the order of their execution."""

    steps: tuple[Step, ...]

    def as_json(self) -> list[dict[str, Any]]:
        """The plan as the seed shows it in the answer."""
        return [step.as_json() for step in self.steps]
