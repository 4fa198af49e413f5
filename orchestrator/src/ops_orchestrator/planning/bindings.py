"""Which earlier step meets each need of a step: as its `with` says, else the latest one that fits."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ops_contract import Problem, join_pointer, suggestion
from ops_orchestrator.errors import InvalidRequestError
from ops_orchestrator.modules.adapters.need import Need
from ops_orchestrator.planning.scenario import StepRequest
from ops_orchestrator.planning.steps import Step

_ADVICE = (
    "Each need of a step is met by a step before it: the one that `with` names, as in "
    '{"module": "report", "with": {"assessment": "a1"}}, or else the latest that fits.'
)


def with_bindings(steps: Sequence[Step], entries: Sequence[StepRequest]) -> list[Step]:
    """`steps` with the steps that meet their needs. Raises InvalidRequestError, with pointers into the scenario."""
    bound, problems = list[Step](), list[Problem]()
    for index, (step, entry) in enumerate(zip(steps, entries, strict=True)):
        binding = _Binding(index, step, entry.bindings, steps)
        problems += binding.problems()
        bound.append(step.with_needs(binding.bound()))
    if problems:
        raise InvalidRequestError(_ADVICE, problems)
    return bound


@dataclass(frozen=True)
class _Binding:
    """The needs of the step at `index` of the plan `steps`, and the steps that its entry `asked` for, by role."""

    index: int
    step: Step
    asked: Mapping[str, str]
    steps: Sequence[Step]

    @property
    def needs(self) -> Mapping[str, Need]:
        return self.step.module.needs(self.step.action)

    def bound(self) -> dict[str, str]:
        """The steps by role; a role for which there is none is left out."""
        found = {role: self.asked.get(role) or self._latest(need) for role, need in self.needs.items()}
        return {role: step for role, step in found.items() if step is not None}

    def problems(self) -> Iterator[Problem]:
        """What is wrong with what was asked for, and which needs are not met."""
        for role, step_id in self.asked.items():
            need = self.needs.get(role)
            reason = self._unknown(role) if need is None else self._wrong(need, step_id)
            if reason:
                yield Problem(join_pointer(f"/modules/{self.index}/with", role), reason)
        for role, need in self.needs.items():
            if role not in self.asked and self._latest(need) is None:
                text = f"{self._action} needs {role!r}, a step of {need} before it; {self._that_fit(need)}"
                yield Problem(f"/modules/{self.index}", text)

    @property
    def _action(self) -> str:
        return f"action {self.step.action!r} of {self.step.module.name}"

    def _unknown(self, role: str) -> str:
        known = f"it needs {', '.join(f'{name} ({need})' for name, need in self.needs.items())}"
        hint = suggestion(role, self.needs)
        return f"{self._action} has no need {role!r}; {hint or (known if self.needs else 'it declares none')}"

    def _wrong(self, need: Need, step_id: str) -> str | None:
        """Why the step does not meet the need; None when it does."""
        found = next((step for step in self.steps if step.id == step_id), None)
        if found is None:
            hint = suggestion(step_id, [step.id for step in self.steps])
            return f"there is no step {step_id!r}; {hint or self._that_fit(need)}"
        if found.number >= self.step.number:
            where = "is this step itself" if found is self.step else "comes after it"
            return f"the step {step_id!r} {where}; {self._that_fit(need)}"
        if not need.is_met_by(found.module.name, found.action):
            return f"the step {step_id!r} is {found.module.name}/{found.action}, not {need}; {self._that_fit(need)}"
        return None

    def _latest(self, need: Need) -> str | None:
        return need.latest_of((step.id, step.module.name, step.action) for step in self.steps[: self.index])

    def _that_fit(self, need: Need) -> str:
        fitting = [step for step in self.steps if need.is_met_by(step.module.name, step.action) and step is not self.step]
        before = [step.id for step in fitting if step.number < self.step.number]
        after = [step.id for step in fitting if step.number > self.step.number]
        if before:
            return f"what fits: {', '.join(before)}"
        return f"{', '.join(after)} would fit, but comes after it" if after else "no step fits"
