"""What a government could do, ranked by the points of `strategy_scores`, with the figures that speak for and against it."""

from dataclasses import dataclass
from typing import Any, Final

from ops_stubs.figures import KPIS, formatted, formatted_change
from ops_stubs.strategy_findings import Findings
from ops_stubs.strategy_scores import WEIGHTS, Points, points_of, total

__all__ = ["NAMES", "Option", "options"]

NAMES: Final = {
    "keep": "keeping the law in force",
    "collect": "collecting better",
    "adopt": "adopting at once",
    "phase-in": "phasing in",
}
"""What an option is called within a sentence."""


@dataclass(frozen=True)
class Option:
    """Something a government could do, with its points by criterion and the reasons for it."""

    id: str
    title: str
    points: Points
    reasons: tuple[str, ...]

    @property
    def score(self) -> float:
        """50 and all points, within 0..100, to a tenth."""
        return round(min(100.0, max(0.0, total(self.points))), 1)

    def ranked(self, rank: int) -> dict[str, Any]:
        """The option as it stands in the outputs."""
        points = {name: round(value, 2) + 0.0 for name, value in self.points.items()}
        reasons = list(self.reasons)
        return {"rank": rank, "id": self.id, "title": self.title, "score": self.score, "points": points, "reasons": reasons}


def options(found: Findings) -> tuple[Option, ...]:
    """The options, best first; none when there is no comparison to rank them by.

    A scenario that changes nothing has nothing to adopt or to phase in.
    """
    if not found.change:
        return ()
    offered = (*_in_force(found), *(_changing(found) if any(found.change.values()) else ()))
    return tuple(sorted(offered, key=lambda option: -total(option.points)))


def _in_force(found: Findings) -> tuple[Option, ...]:
    points, gains, losses = points_of(found), *_gains_and_losses(found)
    outlook = [name for name in ("gdp_growth", "inflation", "gini") if name in found.baseline]
    money = [name for name in ("revenue_share_gdp", "fiscal_balance_share_gdp", "debt_share_gdp") if name in found.baseline]
    keeping = _keeping(found, gains, losses) if gains or losses else _stated(found, outlook)
    collecting = (*_stated(found, money), *_against_integrity(found))
    return (
        Option("keep", "Keep the law in force", points["keep"], keeping),
        Option("collect", "Keep the rates and collect them better", points["collect"], collecting),
    )


def _changing(found: Findings) -> tuple[Option, ...]:
    points, gains, losses = points_of(found), *_gains_and_losses(found)
    measure = found.measure or "the modelled change"
    for_it = tuple(f"For: {_label(name)} {_compared(found, name)}" for name in gains)
    against = tuple(f"Against: {_label(name)} {_compared(found, name)}" for name in losses)
    phasing = _phasing(found, gains, losses)
    return (
        Option("adopt", f"Adopt at once: {measure}", points["adopt"], (*for_it, *against, *_supply(found))),
        Option("phase-in", f"Phase in over three years: {measure}", points["phase-in"], phasing),
    )


def _gains_and_losses(found: Findings) -> tuple[list[str], list[str]]:
    """The KPIs that the modelled change makes better, and those that it makes worse, the heaviest first."""
    worths = {name: points for name, points in points_of(found)["adopt"].items() if name in WEIGHTS}
    gains = sorted((name for name, points in worths.items() if points > 0), key=lambda name: -worths[name])
    losses = sorted((name for name, points in worths.items() if points < 0), key=lambda name: worths[name])
    return gains, losses


def _phasing(found: Findings, gains: list[str], losses: list[str]) -> tuple[str, ...]:
    reasons = [
        f"For: less of the loss in {_label(name)}, which is {_compared(found, name)} when done at once" for name in losses[:2]
    ]
    reasons += [
        f"Against: less of the gain in {_label(name)}, which is {_compared(found, name)} when done at once"
        for name in gains[:1]
    ]
    return (*reasons, *_against_integrity(found))


def _keeping(found: Findings, gains: list[str], losses: list[str]) -> tuple[str, ...]:
    avoids = tuple(f"For: {_label(name)} stays at {formatted(name, found.baseline[name])}" for name in losses[:2])
    return (*avoids, *(f"Against: {_label(name)} stays at {formatted(name, found.baseline[name])}" for name in gains[:2]))


def _supply(found: Findings) -> tuple[str, ...]:
    if found.supply is None:
        return ()
    led = f", led by {found.supply.worst}" if found.supply.worst else ""
    return (f"Against: supply risk {found.supply.overall:.1f} of 100{led}, which lets prices react more to a sudden change",)


def _against_integrity(found: Findings) -> tuple[str, ...]:
    if found.integrity is None:
        return ()
    return (f"Against: procurement risk {found.integrity.overall:.1f} of 100, so much depends on who carries it out",)


def _compared(found: Findings, name: str) -> str:
    before, after = found.baseline[name], found.kpis[name]
    return f"{formatted(name, after)} instead of {formatted(name, before)} ({formatted_change(name, after - before)})"


def _stated(found: Findings, names: list[str]) -> tuple[str, ...]:
    return tuple(f"For: {_label(name)} {formatted(name, found.baseline[name])} under the law in force" for name in names)


def _label(name: str) -> str:
    return KPIS[name].in_sentence
