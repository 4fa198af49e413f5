"""The two runs of a comparison, each read once."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ops_orchestrator.runs.comparison.longest_rising import longest_rising
from ops_orchestrator.runs.record import Results, RunRecord, StepRecord, StepResults
from ops_orchestrator.runs.registered_modules import registered_modules
from ops_orchestrator.runs.step_inputs import inputs_of, own_inputs
from ops_orchestrator.runs.store.protocols import StoredRun


@dataclass(frozen=True)
class Side:
    """One of the runs that are compared, by the `name` that sentences have for it, such as A."""

    name: str
    run: StoredRun
    record: RunRecord
    found: Results
    modules: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, run: StoredRun, name: str) -> "Side":
        """The run as it is now. Raises NotFoundError, DamagedRunError, StoreError."""
        record = run.record()
        return cls(name, run, record, run.results(), registered_modules(run))

    @property
    def results(self) -> Mapping[str, StepResults]:
        """What the completed steps found, by id."""
        return self.found.steps

    @cached_property
    def steps(self) -> Mapping[str, StepRecord]:
        """The steps of the plan, in their order."""
        return {step.id: step for step in self.record.steps}

    def own_inputs(self, step: StepRecord) -> Mapping[str, Any]:
        """The inputs that the plan gives to one step alone."""
        return own_inputs(self.record, step)

    def inputs(self, step: StepRecord) -> Mapping[str, Any]:
        """The inputs that the module was given: the scenario's with the step's own merged over them."""
        return inputs_of(self.record, step)

    def entry(self, step: StepRecord) -> Mapping[str, Any]:
        """How the module of a step was registered; empty where that was not kept, as by version 0.1.0."""
        return self.modules.get(step.module, {})

    def address(self, step: StepRecord) -> str | None:
        """The base address of the module of a step: of what answered, or else of what was registered; None if not known."""
        registered = self.entry(step).get("url")
        base = registered if isinstance(registered, str) else None
        if step.exchange is None or (base is not None and step.exchange.url.startswith(base)):
            return base
        # A resumed run calls its modules where they are registered then, which modules.json does not say.
        return step.exchange.url.removesuffix("/execute") if step.adapter is None else None

    def host(self, step: StepRecord) -> str | None:
        """Scheme and host of the module of a step, of which more may not be known."""
        url = step.exchange.url if step.exchange else self.address(step)
        return None if url is None else "/".join(url.split("/", 3)[:3])

    def mappings(self, step: StepRecord) -> Mapping[str, Any]:
        """What the adapter of a step declares for its action; empty without an adapter, or where that was not kept."""
        value: Any = self.entry(step)
        for key in ("adapter", "actions", step.action):
            value = value.get(key) if isinstance(value, dict) else None
        return value if isinstance(value, dict) else {}


@dataclass(frozen=True)
class Pair:
    """The two runs, called A and B unless they have other names."""

    a: Side
    b: Side

    def addresses(self, step_id: str) -> tuple[str, str] | None:
        """The addresses of the module of a step in A and B, of which as much is compared as is known of both."""
        steps = ((self.a, self.a.steps[step_id]), (self.b, self.b.steps[step_id]))
        for first, second in ([side.address(step) for side, step in steps], [side.host(step) for side, step in steps]):
            if first is not None and second is not None:
                return first, second
        return None

    def bound(self, step_id: str) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """The steps that meet the needs of a step, by role, in A and in B."""
        return self.a.record.bound_by(self.a.steps[step_id]), self.b.record.bound_by(self.b.steps[step_id])

    @cached_property
    def order(self) -> tuple[str, ...]:
        """The ids of all steps: in the order of A, those that only B has after the one that they follow in B."""
        following: dict[str | None, list[str]] = {}
        before = None
        for step in self.b.steps:
            if step in self.a.steps:
                before = step
            else:
                following.setdefault(before, []).append(step)
        after_each = (each for step in self.a.steps for each in (step, *following.get(step, ())))
        return (*following.get(None, ()), *after_each)

    @cached_property
    def moved(self) -> frozenset[str]:
        """The steps of both that stand in another order, as few as explain it."""
        both = [step for step in self.b.steps if step in self.a.steps]
        places = {step: at for at, step in enumerate(self.a.steps)}
        unmoved = longest_rising([places[step] for step in both])
        return frozenset(step for step in both if places[step] not in unmoved)
