"""The figures that the strategy agent takes from the earlier steps of a run.

Upstream outputs come from other modules: only values of the expected shape are taken, and none is required.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ops_contract import ExecuteRequest, UpstreamStep
from ops_stubs.figures import measure

__all__ = ["Findings", "Score", "findings"]

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
    kpis: Mapping[str, float] = field(default_factory=dict)
    baseline: Mapping[str, float] = field(default_factory=dict)
    supply: Score | None = None
    integrity: Score | None = None

    @property
    def change(self) -> dict[str, float]:
        """How the KPIs differ from the baseline, for those that have one."""
        return {name: value - self.baseline[name] for name, value in self.kpis.items() if name in self.baseline}

    def lacks(self) -> tuple[str, ...]:
        """What a full brief would need and the run does not have, the most important first."""
        missing = []
        if not self.kpis:
            missing.append("policy-simulator: an earlier step with KPIs; without it there is nothing to rank")
        elif not self.change:
            missing.append("policy-simulator: a baseline to compare its KPIs with; without it there is nothing to rank")
        if self.supply is None:
            missing.append("supplychain-risk: an earlier step; supply risks are left out")
        if self.integrity is None:
            missing.append("dr-anticorruption: an earlier step; integrity risks are left out")
        return tuple(missing)


def findings(request: ExecuteRequest) -> Findings:
    """Read the last step of each module that a brief can use."""
    policy = _last(request, "policy-simulator")
    supply = _score(_last(request, "supplychain-risk"), "drivers", "component")
    integrity = _score(_last(request, "dr-anticorruption"), "entities", "name")
    if policy is None:
        return Findings(supply=supply, integrity=integrity)
    step, answer = policy
    return Findings(
        step=step,
        country=_country(answer.outputs),
        measure=measure(_levers(answer.outputs.get("policy"))),
        kpis=_numbers(answer.outputs.get("kpis")),
        baseline=_numbers(answer.outputs.get("baseline")),
        supply=supply,
        integrity=integrity,
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
