"""How the strategy agent ranks what a government could do: a weighted sum over KPIs, 0 (worst) to 100, 50 is "no change".

score = sum over KPIs of weight * min(100, 50 + points * change * share) - cost, kept within 0..100

A gain counts up to a bound and a loss without one, so that no amount of spending makes up for a ruinous debt.

`points` says how many points a change of one unit is worth; `share` is how much of the modelled change an option brings about;
`cost` is what it takes to carry out. Weights, points, shares and costs are rules of thumb of the stub, made up like its data.
"""

from dataclasses import dataclass
from typing import Any, Final

from ops_stubs.figures import KPIS, formatted, formatted_change
from ops_stubs.strategy_findings import Findings

__all__ = ["Option", "TurningPoint", "options", "turning_points"]


@dataclass(frozen=True)
class Option:
    """Something a government could do, with its score (0 to 100) and the reasons for it."""

    id: str
    title: str
    score: float
    reasons: tuple[str, ...]

    def ranked(self, rank: int) -> dict[str, Any]:
        """The option as it stands in the outputs."""
        return {"rank": rank, "id": self.id, "title": self.title, "score": self.score, "reasons": list(self.reasons)}


# weight, points for a change of one unit
_VALUES: Final = {
    "gdp_growth": (0.25, 10_000.0),
    "debt_share_gdp": (0.3, -1_000.0),
    "consumption_index": (0.25, 20.0),
    "gini": (0.1, -10_000.0),
    "inflation": (0.1, -4_000.0),
}
_WHOLE: Final = dict.fromkeys(_VALUES, 1.0)
_NOTHING: Final = dict.fromkeys(_VALUES, 0.0)
_PHASED: Final = {"gdp_growth": 0.7, "debt_share_gdp": 0.75, "consumption_index": 0.6, "gini": 0.3, "inflation": 0.4}


def options(found: Findings) -> tuple[Option, ...]:
    """The options, best first; none when there is no comparison to rank them by."""
    if not found.change:
        return ()
    offered = _with_change(found) if any(found.change.values()) else _without_change(found)
    return tuple(sorted(offered, key=lambda option: (-option.score, option.id)))


@dataclass(frozen=True)
class TurningPoint:
    """The change of a KPI, as a multiple of the modelled one, from which on the option `leader` leads."""

    kpi: str
    times: float
    leader: str


def turning_points(found: Findings) -> tuple[TurningPoint, ...]:
    """For every KPI that changes, the nearest multiple (0 to 3, by tenths) that puts another option first; nearest first."""
    change = {name: change for name, change in found.change.items() if name in _VALUES}
    if not any(change.values()):
        return ()
    leader = _leader(_scores(found, change))
    points = []
    for name, step in change.items():
        for tenths in sorted(range(31), key=lambda tenths: abs(tenths - 10)):
            other = _leader(_scores(found, {**change, name: step * tenths / 10}))
            if other != leader:
                points.append(TurningPoint(name, tenths / 10, other))
                break
    return tuple(sorted(points, key=lambda point: (abs(point.times - 1), point.kpi)))


def _leader(scores: dict[str, float]) -> str:
    return min(scores, key=lambda name: (-scores[name], name))


def _scores(found: Findings, change: dict[str, float]) -> dict[str, float]:
    # A sudden change meets tight supply with higher prices; a gradual one needs an administration that can be trusted.
    sudden = 0.04 * found.supply.overall if found.supply else 0.0
    gradual = 2 + (0.04 * found.integrity.overall if found.integrity else 0.0)
    return {
        "adopt": _bounded(_value(change, _WHOLE) - sudden),
        "phase-in": _bounded(_value(change, _PHASED) - gradual),
        "keep": _bounded(_value(change, _NOTHING)),
    }


def _value(change: dict[str, float], shares: dict[str, float]) -> float:
    known = {name: weight for name, (weight, _) in _VALUES.items() if name in change}
    if not known:
        return 50.0
    points = {name: 50 + _VALUES[name][1] * change[name] * shares[name] for name in known}
    return sum(weight * min(100.0, points[name]) for name, weight in known.items()) / sum(known.values())


def _bounded(score: float) -> float:
    return round(min(100.0, max(0.0, score)), 1)


def _with_change(found: Findings) -> tuple[Option, ...]:
    scores = _scores(found, found.change)
    measure = found.measure or "the modelled change"
    gains = [name for name, (_, points) in _VALUES.items() if points * found.change.get(name, 0.0) > 0]
    losses = [name for name, (_, points) in _VALUES.items() if points * found.change.get(name, 0.0) < 0]
    for_it = tuple(f"For: {_label(name)} {_compared(found, name)}" for name in gains)
    against = tuple(f"Against: {_label(name)} {_compared(found, name)}" for name in losses)
    return (
        Option("adopt", f"Adopt at once: {measure}", scores["adopt"], (*for_it, *against, *_supply(found))),
        Option("phase-in", f"Phase in over three years: {measure}", scores["phase-in"], _phasing(found, gains, losses)),
        Option("keep", "Keep the law in force", scores["keep"], _keeping(found, gains, losses)),
    )


def _without_change(found: Findings) -> tuple[Option, ...]:
    # The more the budget is under strain, the less can stay as it is: 50 for a balanced budget and debt of 60 % of GDP.
    balance, debt = found.kpis.get("fiscal_balance_share_gdp", 0.0), found.kpis.get("debt_share_gdp", 0.6)
    strain = _bounded(50 - 800 * balance + 50 * (debt - 0.6))
    money = [name for name in ("revenue_share_gdp", "fiscal_balance_share_gdp", "debt_share_gdp") if name in found.kpis]
    outlook = [name for name in ("gdp_growth", "inflation", "gini") if name in found.kpis]
    integrity = () if found.integrity is None else (f"Against: {_integrity(found)}",)
    return (
        Option("keep", "Keep the law in force", round(100 - strain, 1), _stated(found, outlook)),
        Option(
            "collect",
            "Keep the rates and collect them better",
            strain,
            (*_stated(found, money), *integrity),
        ),
    )


def _phasing(found: Findings, gains: list[str], losses: list[str]) -> tuple[str, ...]:
    reasons = [
        f"For: less of the loss in {_label(name)}, which is {_compared(found, name)} when done at once" for name in losses[:2]
    ]
    reasons += [
        f"Against: less of the gain in {_label(name)}, which is {_compared(found, name)} when done at once"
        for name in gains[:1]
    ]
    return (*reasons, *(() if found.integrity is None else (f"Against: {_integrity(found)}",)))


def _keeping(found: Findings, gains: list[str], losses: list[str]) -> tuple[str, ...]:
    avoids = tuple(f"For: {_label(name)} stays at {formatted(name, found.baseline[name])}" for name in losses[:2])
    return (*avoids, *(f"Against: {_label(name)} stays at {formatted(name, found.baseline[name])}" for name in gains[:2]))


def _supply(found: Findings) -> tuple[str, ...]:
    if found.supply is None:
        return ()
    led = f", led by {found.supply.worst}" if found.supply.worst else ""
    return (f"Against: supply risk {found.supply.overall:.1f} of 100{led}, which lets prices react more to a sudden change",)


def _integrity(found: Findings) -> str:
    return (
        f"procurement risk {found.integrity.overall:.1f} of 100, so much depends on who carries it out"
        if found.integrity
        else ""
    )


def _compared(found: Findings, name: str) -> str:
    before, after = found.baseline[name], found.kpis[name]
    return f"{formatted(name, after)} instead of {formatted(name, before)} ({formatted_change(name, after - before)})"


def _stated(found: Findings, names: list[str]) -> tuple[str, ...]:
    return tuple(f"For: {_label(name)} {formatted(name, found.kpis[name])} under the law in force" for name in names)


def _label(name: str) -> str:
    return KPIS[name].in_sentence
