"""The arithmetic behind the policy simulator: a small, synthetic model of what a change of tax rates does.

It is made to behave sensibly in sign and size, and to be read in a minute. It is fitted to nothing; use it for no decision.

For a country in year t = 1..T, with rates tau against the rates tau0 that are in force (all amounts as shares of GDP):

    VAT        dV = c * e * (tau * (1 - 0.8 * (tau - tau0)) - tau0)     c consumption, e efficiency; evasion grows with the rate
    CIT        dC = 0.12 * (k * (1 - 0.6 * (k - k0)) - k0)              k corporate income tax rate
    payroll    dP = 0.25 * (p - p0)                                     p employers' and employees' rate together
    transfers  dT = T - T0
    level      l  = -0.5 dV - 0.8 dC - 0.6 dP + 0.4 dT                  of GDP in the end; half of the rest comes each year
    growth     g_t = g0 + growth shock_t + l * 0.5^t
    prices     push = 0.7 * e * (tau - tau0) / (1 + e * tau0);  inflation_t = pi0 + price shock_t, and + push in year 1
    spending   C_t = GDP_t * (1 - 0.6 * push - 0.5 * dP / c + 0.8 * dT / c)    index, base year = 100
    revenue    R_t = R0 + dV + dC + dP + 0.15 * growth shock_t
    debt       D_t = D_{t-1} * (1 + i) / ((1 + g_t) * (1 + inflation_t)) - primary balance_t
    gini       G_t = G0 + (1 - 0.5^t) * (0.15 dV - 0.05 dC + 0.02 dP - 0.35 dT)

Baseline and scenario meet the same shocks, so that their difference is the policy alone, and nothing when no rate changes.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean

from ops_stubs import noise
from ops_stubs.countries import Country, Economy
from ops_stubs.inputs import BASE_YEAR

__all__ = ["Levers", "Shock", "Year", "headline", "in_force", "shocks", "simulate"]


@dataclass(frozen=True)
class Levers:
    """What a government sets: three tax rates as shares, and transfers as a share of GDP."""

    vat_rate: float
    cit_rate: float
    payroll_tax_rate: float
    transfers_share_gdp: float


@dataclass(frozen=True)
class Shock:
    """What a year brings by chance, as shares: to growth and to inflation."""

    growth: float
    inflation: float


@dataclass(frozen=True)
class Year:
    """One simulated year; shares are of GDP, indices are 100 in the base year."""

    year: int
    gdp_growth: float
    inflation: float
    gdp_index: float
    consumption_index: float
    revenue_share_gdp: float
    fiscal_balance_share_gdp: float
    debt_share_gdp: float
    gini: float

    def figures(self) -> dict[str, float]:
        """Every figure but the year itself, rounded."""
        return {name: noise.rounded(value) for name, value in asdict(self).items() if name != "year"}


@dataclass(frozen=True)
class _Effect:
    """What the levers do, as shares of GDP, and to prices as a share."""

    vat: float
    cit: float
    payroll: float
    transfers: float
    prices: float
    consumption: float

    @property
    def revenue(self) -> float:
        return self.vat + self.cit + self.payroll

    @property
    def level(self) -> float:
        return -0.5 * self.vat - 0.8 * self.cit - 0.6 * self.payroll + 0.4 * self.transfers

    @property
    def gini(self) -> float:
        return 0.15 * self.vat - 0.05 * self.cit + 0.02 * self.payroll - 0.35 * self.transfers


def in_force(country: Country) -> Levers:
    """The rates that a country has today."""
    economy = country.economy
    return Levers(economy.vat_rate, economy.cit_rate, economy.payroll_rate, economy.transfers)


def shocks(country: Country, years: int, seed: int) -> tuple[Shock, ...]:
    """The luck of `years` years; a longer horizon begins with the same years."""
    random = noise.generator("policy-simulator", country.code, seed)
    volatility = country.economy.volatility
    return tuple(Shock(random.gauss(0, volatility), random.gauss(0, volatility / 2)) for _ in range(years))


def simulate(country: Country, levers: Levers, luck: Sequence[Shock], first_year: int = BASE_YEAR + 1) -> tuple[Year, ...]:
    """One year for every shock in `luck`, beginning with `first_year`."""
    effect = _effect(country.economy, levers)
    years: list[Year] = []
    gdp, debt = 100.0, country.economy.debt
    for passed, shock in enumerate(luck, start=1):
        year = _next_year(country.economy, effect, shock, passed, first_year + passed - 1, gdp, debt)
        years.append(year)
        gdp, debt = year.gdp_index, year.debt_share_gdp
    return tuple(years)


def headline(years: Sequence[Year]) -> dict[str, float]:
    """The KPIs of a path: growth and inflation as means of all years, the rest as the last year leaves them."""
    last = years[-1].figures()
    return {
        "gdp_growth": noise.rounded(fmean(year.gdp_growth for year in years)),
        "inflation": noise.rounded(fmean(year.inflation for year in years)),
        "revenue_share_gdp": last["revenue_share_gdp"],
        "fiscal_balance_share_gdp": last["fiscal_balance_share_gdp"],
        "debt_share_gdp": last["debt_share_gdp"],
        "consumption_index": last["consumption_index"],
        "gini": last["gini"],
    }


def _effect(economy: Economy, levers: Levers) -> _Effect:
    vat_step = levers.vat_rate - economy.vat_rate
    cit_step = levers.cit_rate - economy.cit_rate
    taxed = economy.consumption * economy.vat_efficiency
    payroll = 0.25 * (levers.payroll_tax_rate - economy.payroll_rate)
    transfers = levers.transfers_share_gdp - economy.transfers
    prices = 0.7 * economy.vat_efficiency * vat_step / (1 + economy.vat_efficiency * economy.vat_rate)
    return _Effect(
        vat=taxed * (levers.vat_rate * (1 - 0.8 * vat_step) - economy.vat_rate),
        cit=0.12 * (levers.cit_rate * (1 - 0.6 * cit_step) - economy.cit_rate),
        payroll=payroll,
        transfers=transfers,
        prices=prices,
        consumption=-0.6 * prices - 0.5 * payroll / economy.consumption + 0.8 * transfers / economy.consumption,
    )


def _next_year(  # noqa: PLR0913, PLR0917 - the equation's own variables
    economy: Economy, effect: _Effect, shock: Shock, passed: int, year: int, gdp: float, debt: float
) -> Year:
    growth = economy.growth + shock.growth + effect.level * 0.5**passed
    inflation = economy.inflation + shock.inflation + (effect.prices if passed == 1 else 0)
    windfall = 0.15 * shock.growth
    primary = economy.primary_balance + effect.revenue - effect.transfers + windfall
    carried = debt / ((1 + growth) * (1 + inflation))
    index = gdp * (1 + growth)
    return Year(
        year=year,
        gdp_growth=growth,
        inflation=inflation,
        gdp_index=index,
        consumption_index=index * (1 + effect.consumption),
        revenue_share_gdp=economy.revenue + effect.revenue + windfall,
        fiscal_balance_share_gdp=primary - economy.interest * carried,
        debt_share_gdp=carried * (1 + economy.interest) - primary,
        gini=economy.gini + (1 - 0.5**passed) * effect.gini,
    )
