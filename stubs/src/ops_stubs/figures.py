"""The indicators that stubs exchange: names, units, and how a person reads them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["DRAWN", "KPIS", "LEVERS", "Kpi", "formatted", "formatted_change", "formatted_points", "level", "measure", "percent"]


@dataclass(frozen=True)
class Kpi:
    """An indicator: its label, what it is counted in, and how it is printed (value times `scale`)."""

    label: str
    unit: str
    scale: float
    decimals: int
    suffix: str

    @property
    def in_sentence(self) -> str:
        """The label where no sentence begins."""
        return self.label if self.label.startswith(("GDP", "Gini")) else self.label[:1].lower() + self.label[1:]


def _share(label: str, unit: str) -> Kpi:
    return Kpi(label, unit, scale=100, decimals=1, suffix=" %")


KPIS: Final[dict[str, Kpi]] = {
    "gdp_growth": _share("GDP growth", "share a year, real, mean of the years"),
    "inflation": _share("Inflation", "share a year, consumer prices, mean of the years"),
    "revenue_share_gdp": _share("Government revenue", "share of GDP, last year"),
    "fiscal_balance_share_gdp": _share("Fiscal balance", "share of GDP, last year"),
    "debt_share_gdp": _share("Public debt", "share of GDP, last year"),
    "consumption_index": Kpi("Household consumption", "index, real, base year = 100, last year", 1, 1, ""),
    "gini": Kpi("Gini coefficient", "0 (equal) to 1, last year", 1, 3, ""),
}

DRAWN: Final = ("gdp_growth", "revenue_share_gdp", "consumption_index", "debt_share_gdp")
"""The indicators whose course the policy simulator draws, in this order."""

LEVERS: Final = {
    "vat_rate": "VAT",
    "cit_rate": "corporate income tax",
    "payroll_tax_rate": "payroll tax",
    "transfers_share_gdp": "transfers (share of GDP)",
}
"""What a scenario of the policy simulator can change, as a person calls it."""


def formatted(key: str, value: float) -> str:
    """The value of a KPI as a person reads it: 0.02 of `gdp_growth` is "2.0 %". Unknown KPIs are written as they are."""
    kpi = KPIS.get(key)
    if kpi is None:
        return f"{value:g}"
    return f"{_no_minus_zero(value * kpi.scale, kpi.decimals)}{kpi.suffix}"


def formatted_change(key: str, change: float) -> str:
    """A difference between two values of a KPI, with its sign; shares differ by percentage points."""
    kpi = KPIS.get(key)
    if kpi is None:
        return f"{change:+g}"
    # One more digit than the value itself has, so that a change of 0.04 points is not "0.0".
    text = _no_minus_zero(change * kpi.scale, kpi.decimals + 1, sign="+")
    return f"{text} pp" if kpi.suffix else text


def formatted_points(points: float) -> str:
    """Points of a score with their sign, to a tenth; "0" for none."""
    text = _no_minus_zero(points, 1, sign="+")
    return "0" if text == "+0.0" else text


def level(score: float) -> str:
    """A risk score from 0 to 100 in a word: low below 35, moderate below 60, high from there."""
    return "low" if score < 35 else "moderate" if score < 60 else "high"


def measure(policy: Mapping[str, tuple[float, float]]) -> str:
    """What a scenario changes, from (in force, in the scenario) by lever: "VAT raised from 18 % to 20 %", "" for nothing."""
    return ", ".join(
        f"{LEVERS.get(name, name)} {'raised' if after > before else 'lowered'} from {percent(before)} to {percent(after)}"
        for name, (before, after) in policy.items()
        if before != after
    )


def percent(share: float) -> str:
    """A rate as laws name it: 0.18 is "18 %", 0.175 is "17.5 %"."""
    return f"{round(share * 100, 4):g} %"


def _no_minus_zero(value: float, decimals: int, sign: str = "-") -> str:
    return f"{round(value, decimals) + 0.0:{sign}.{decimals}f}"
