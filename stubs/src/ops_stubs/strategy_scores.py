"""How the strategy agent scores what a government could do: points for each criterion, 50 in all is "no change".

points of a KPI = worth(weight * points of a unit * change * share), weights taken among the KPIs that are known
worth(x)        = x for a loss, x / (1 + x / 50) for a gain
score           = 50 + sum of the points, shown within 0..100

`share` is how much of the modelled change an option brings about. A loss counts in full and a further gain ever less, so that
no amount of spending makes up for a ruinous debt, and a larger change of the same kind is first adopted, then phased in, and in
the end left alone. Collecting better is taken to close a tenth of the deficit for three years. Every weight, point and share
is a rule of thumb of the stub, made up like its data.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ops_stubs.strategy_findings import Findings

__all__ = ["CARRYING_OUT", "CRITERIA", "WEIGHTS", "Points", "TurningPoint", "leader", "points_of", "total", "turning_points"]

Points = Mapping[str, float]
"""The points of one option by criterion: names of KPIs, and CARRYING_OUT."""

CARRYING_OUT: Final = "carrying_out"
"""The criterion of what it takes to carry an option out: points that are lost, whatever the KPIs do."""

CRITERIA: Final = {
    "debt_share_gdp": "public debt",
    "gdp_growth": "GDP growth",
    "consumption_index": "household consumption",
    "inflation": "inflation",
    "gini": "equality",
    CARRYING_OUT: "carrying it out",
}
"""Every criterion as it stands in a sentence."""

WEIGHTS: Final = {"debt_share_gdp": 0.3, "gdp_growth": 0.25, "consumption_index": 0.25, "inflation": 0.1, "gini": 0.1}
"""How much each KPI weighs."""

_UNIT_POINTS: Final = {
    "debt_share_gdp": -1_300.0,
    "gdp_growth": 9_000.0,
    "consumption_index": 19.0,
    "inflation": -4_000.0,
    "gini": -9_000.0,
}
_HALVED_AT: Final = 50.0
_SHARES: Final = {
    "adopt": dict.fromkeys(WEIGHTS, 1.0),
    "phase-in": {
        "gdp_growth": 0.7,
        "debt_share_gdp": 0.75,
        "consumption_index": 0.6,
        "gini": 0.3,
        "inflation": 0.4,
    },
}
_TENTHS: Final = 10
_LARGEST_TIMES: Final = 3


@dataclass(frozen=True)
class TurningPoint:
    """How many times the modelled change puts the option `leader` first in place of `former`, and the main reason.

    Between the modelled change and this one, `leader` gains `gained` points on `former`, and most of all, `main_gained`, on the
    criterion `main`.
    """

    times: float
    former: str
    leader: str
    gained: float
    main: str
    main_gained: float


def points_of(found: Findings, times: float = 1.0) -> dict[str, Points]:
    """The points of every option for `times` the modelled change; a tie is won by the one that comes first."""
    change = {name: found.change[name] * times for name in WEIGHTS if name in found.change}
    integrity = 0.04 * found.integrity.overall if found.integrity else 0.0
    supply = 0.04 * found.supply.overall if found.supply else 0.0
    unchanged = dict.fromkeys(change, 0.0)
    return {
        "keep": {**unchanged, CARRYING_OUT: 0.0},
        "collect": {**unchanged, **_collected(found, change), CARRYING_OUT: -2.5 - integrity},
        # A sudden change meets tight supply with higher prices; a gradual one needs an administration that can be trusted.
        "adopt": {**_worths(change, _SHARES["adopt"]), CARRYING_OUT: -supply},
        "phase-in": {**_worths(change, _SHARES["phase-in"]), CARRYING_OUT: -2.0 - integrity},
    }


def total(points: Points) -> float:
    """The score before it is brought within the scale."""
    return 50 + sum(points.values())


def leader(options: Mapping[str, Points]) -> str:
    """The option with the highest score."""
    return max(options, key=lambda name: total(options[name]))


def turning_points(found: Findings) -> tuple[TurningPoint, ...]:
    """The nearest multiples of the modelled change, 0 to 3, that put another option first: a smaller and a larger one."""
    if not any(found.change.values()):
        return ()
    first = leader(points_of(found))
    down = [tenth / _TENTHS for tenth in range(_TENTHS - 1, -1, -1)]
    up = [tenth / _TENTHS for tenth in range(_TENTHS + 1, _LARGEST_TIMES * _TENTHS + 1)]
    ends = [next((times for times in scale if leader(points_of(found, times)) != first), None) for scale in (down, up)]
    return tuple(_turning_point(found, first, end) for end in ends if end is not None)


def _turning_point(found: Findings, first: str, end: float) -> TurningPoint:
    near = end + 1 / _TENTHS if end < 1 else end - 1 / _TENTHS
    for _ in range(10):
        middle = (near + end) / 2
        near, end = (middle, end) if leader(points_of(found, middle)) == first else (near, middle)
    before, after = points_of(found), points_of(found, end)
    other = leader(after)
    gains = {
        name: (after[other][name] - after[first][name]) - (before[other][name] - before[first][name]) for name in after[first]
    }
    main = max(gains, key=lambda name: gains[name])
    return TurningPoint(end, first, other, sum(gains.values()), main, gains[main])


def _collected(found: Findings, change: Mapping[str, float]) -> dict[str, float]:
    balance = found.baseline.get("fiscal_balance_share_gdp", 0.0)
    debt = {"debt_share_gdp": min(0.0, balance) / 10 * 3} if "debt_share_gdp" in change else {}
    return {
        name: points for name, points in _worths({**dict.fromkeys(change, 0.0), **debt}, _SHARES["adopt"]).items() if points
    }


def _worths(change: Mapping[str, float], shares: Mapping[str, float]) -> dict[str, float]:
    known = sum(WEIGHTS[name] for name in change)
    return {name: _worth(WEIGHTS[name] / known * _UNIT_POINTS[name] * step * shares[name]) for name, step in change.items()}


def _worth(points: float) -> float:
    return points if points <= 0 else points / (1 + points / _HALVED_AT)
