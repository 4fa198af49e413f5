"""`POST /run_scenario`: how a policy simulator is called that was built before the contract.

Deliberately unlike the contract, so that adapters have something to adapt: a flat body, percentages, lax types, no envelope,
references to files that nobody serves, errors as `{"detail": ...}`.
"""

from dataclasses import asdict
from typing import Any

from pydantic import BaseModel

from ops_stubs.countries import Country, country_of
from ops_stubs.errors import BareError
from ops_stubs.figures import KPIS, percent
from ops_stubs.policy_model import Levers, headline, in_force, shocks, simulate

__all__ = ["RunScenario", "run_scenario"]


class RunScenario(BaseModel):
    """The flat body; rates are shares, years are inclusive, and numbers may come as text."""

    country: str
    sector: str
    start_year: int
    end_year: int
    employer_payroll_tax_rate: float
    employee_payroll_tax_rate: float
    cit_rate: float
    seed: int | None = None
    timesteps: int | None = None


def run_scenario(body: RunScenario) -> dict[str, Any]:
    """Simulate the payroll and corporate income tax rates of `body`; answers a KPI table, file references and a brief."""
    country = _checked(body)
    years = body.timesteps or body.end_year - body.start_year + 1
    payroll = body.employer_payroll_tax_rate + body.employee_payroll_tax_rate
    today = in_force(country)
    levers = Levers(**{**asdict(today), "cit_rate": body.cit_rate, "payroll_tax_rate": payroll})
    luck = shocks(country, years, body.seed or 0)
    before = headline(simulate(country, today, luck, body.start_year))
    after = headline(simulate(country, levers, luck, body.start_year))
    slug = f"{country.code}_{body.sector}_{body.start_year}_{body.end_year}".lower().replace(" ", "-")
    return {
        "scenario": {"country": country.name, "sector": body.sector, "years": years},
        "kpi_table": [_row(name, before[name], after[name]) for name in KPIS],
        "artifacts": [{"path": f"{slug}/kpis.csv", "kind": "table"}, {"path": f"{slug}/gdp.png", "kind": "figure"}],
        "brief": _brief(country, levers, before, after),
        "note": "synthetic",
    }


def _checked(body: RunScenario) -> Country:
    country = country_of(body.country)
    if country is None:
        raise BareError(404, f"country not found: {body.country}")
    if body.end_year < body.start_year:
        raise BareError(400, "end_year is before start_year")
    if not 1 <= (body.timesteps or body.end_year - body.start_year + 1) <= 30:
        raise BareError(400, {"msg": "too many timesteps", "max": 30})
    rates = (body.employer_payroll_tax_rate, body.employee_payroll_tax_rate, body.cit_rate)
    if not all(0 <= rate <= 0.5 for rate in rates):
        raise BareError(400, ["rates must be between 0 and 0.5"])
    return country


def _row(name: str, before: float, after: float) -> dict[str, Any]:
    kpi = KPIS[name]
    return {
        "indicator": name,
        "unit": kpi.suffix.strip() or kpi.unit.split(",")[0],
        "baseline": round(before * kpi.scale, 4),
        "scenario": round(after * kpi.scale, 4),
    }


def _brief(country: Country, levers: Levers, before: dict[str, float], after: dict[str, float]) -> dict[str, str]:
    direction = "higher" if after["gdp_growth"] > before["gdp_growth"] else "no higher"
    taxes = f"a payroll tax of {percent(levers.payroll_tax_rate)} and a corporate income tax of {percent(levers.cit_rate)}"
    return {
        "title": f"{country.name}: payroll and corporate income tax",
        "text": f"With {taxes}, growth is {direction} than without the change. Synthetic figures.",
        "lang": "en",
    }
