"""The figures that the strategy agent takes from the earlier steps of a run.

Upstream outputs come from other modules: only values of the expected shape are taken, and none is required.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ops_contract import ExecuteRequest, UpstreamStep
from ops_stubs.figures import measure

__all__ = ["Findings", "Score", "findings"]

_READ: Final = ("policy-simulator", "supplychain-risk", "dr-anticorruption")
_LARGEST: Final = 1e9


@dataclass(frozen=True)
class Score:
    """A risk that another step put on a scale from 0 to 100; `worst` names what leads it."""

    step: str
    overall: float
    worst: str


@dataclass(frozen=True)
class Findings:
    """The figures of the last policy simulation, and risk scores where a step gave them."""

    step: str | None = None
    country: str = ""
    measure: str = ""
    levers: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """What the scenario changes and what it leaves, in force and in the scenario."""
    kpis: Mapping[str, float] = field(default_factory=dict)
    baseline: Mapping[str, float] = field(default_factory=dict)
    supply: Score | None = None
    integrity: Score | None = None
    unread: tuple[str, ...] = ()
    """A sentence for each risk step of the run that gave no score."""

    @property
    def change(self) -> dict[str, float]:
        """How the KPIs differ from the baseline, for those that have one."""
        return {name: value - self.baseline[name] for name, value in self.kpis.items() if name in self.baseline}

    def lacks(self) -> tuple[str, ...]:
        """What a full brief would need and the run does not have, the most important first."""
        missing = list(self._lacks_for_ranking())
        if self.supply is None:
            missing.append("supplychain-risk: an earlier step; supply risks are left out")
        if self.integrity is None:
            missing.append("dr-anticorruption: an earlier step; integrity risks are left out")
        return tuple(missing)

    def warnings(self) -> tuple[str, ...]:
        """Why the advice falls short of what the scenario asked for.

        A module that the scenario did not ask for is no reason to warn: the brief notes what was not looked at.
        """
        return (*(f"lacks {missing}" for missing in self._lacks_for_ranking()), *self.unread)

    def _lacks_for_ranking(self) -> tuple[str, ...]:
        if not self.kpis:
            return ("policy-simulator: an earlier step with KPIs; without it there is nothing to rank",)
        if not self.change:
            return ("policy-simulator: a baseline to compare its KPIs with; without it there is nothing to rank",)
        return ()


def findings(request: ExecuteRequest) -> Findings:
    """Read the last step of each module that a brief can use."""
    policy, supply_step, integrity_step = (_last(request, module) for module in _READ)
    supply = _score(supply_step, "drivers", "component")
    integrity = _score(integrity_step, "entities", "name")
    unread = (*_unread(supply_step, supply, "supply"), *_unread(integrity_step, integrity, "integrity"))
    if policy is None:
        return Findings(supply=supply, integrity=integrity, unread=unread)
    step, answer = policy
    levers = _levers(answer.outputs.get("policy"))
    return Findings(
        step=step,
        country=_country(answer.outputs),
        measure=measure(levers),
        levers=levers,
        kpis=_numbers(answer.outputs.get("kpis")),
        baseline=_numbers(answer.outputs.get("baseline")),
        supply=supply,
        integrity=integrity,
        unread=unread,
    )


def _last(request: ExecuteRequest, module: str) -> tuple[str, UpstreamStep] | None:
    found = [(step_id, step) for step_id, step in request.upstream.items() if step.module == module]
    return found[-1] if found else None


def _number(value: object) -> float | None:
    # No indicator is that large, and beyond it arithmetic leaves what JSON can carry.
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _LARGEST:
        return None
    return value


def _numbers(value: object) -> dict[str, float]:
    pairs = value.items() if isinstance(value, dict) else ()
    return {name: number for name, item in pairs if (number := _number(item)) is not None}


def _levers(policy: object) -> dict[str, tuple[float, float]]:
    pairs = policy.items() if isinstance(policy, dict) else ()
    rates = {name: _numbers(rate) for name, rate in pairs}
    return {
        name: (rate["baseline"], rate["scenario"]) for name, rate in rates.items() if {"baseline", "scenario"} <= rate.keys()
    }


def _country(outputs: Mapping[str, Any]) -> str:
    country = outputs.get("country")
    name = country.get("name") if isinstance(country, dict) else country
    return name if isinstance(name, str) else ""


def _score(found: tuple[str, UpstreamStep] | None, ranking: str, label: str) -> Score | None:
    overall = _number(found[1].outputs.get("overall")) if found else None
    if found is None or overall is None:
        return None
    ranked = found[1].outputs.get(ranking)
    first = ranked[0] if isinstance(ranked, list) and ranked else None
    worst = first.get(label) if isinstance(first, dict) else None
    return Score(found[0], overall, worst.replace("_", " ") if isinstance(worst, str) else "")


def _unread(found: tuple[str, UpstreamStep] | None, score: Score | None, risks: str) -> tuple[str, ...]:
    if found is None or score is not None:
        return ()
    step, answer = found
    return (f"the outputs of the step {step} ({answer.module}) have no number `overall`; {risks} risks are left out",)
