"""The countries that the stubs know.

Every figure is synthetic: of a plausible size for such a country, taken from no publication, and not fit for decisions.
"""

from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import PlainValidator

from ops_contract import nearest

__all__ = ["ALIASES", "COUNTRIES", "Country", "CountryCode", "Economy", "Exposure", "country_of"]


@dataclass(frozen=True)
class Economy:
    """An economy in the base year: rates a year as shares, the rest as shares of GDP unless a comment says otherwise."""

    vat_rate: float
    vat_efficiency: float  # VAT collected, as a share of rate times consumption
    cit_rate: float
    payroll_rate: float  # employers and employees together
    growth: float  # real, trend
    volatility: float  # standard deviation of growth
    inflation: float
    consumption: float
    revenue: float
    transfers: float
    primary_balance: float
    debt: float
    interest: float  # nominal, on debt
    gini: float  # 0 to 1


@dataclass(frozen=True)
class Exposure:
    """What a country is exposed to: 0 (not at all) to 100."""

    logistics: float
    supplier_concentration: float
    import_dependence: float
    energy: float
    climate: float
    procurement: float


@dataclass(frozen=True)
class Country:
    """A country by its ISO 3166-1 alpha-2 code."""

    code: str
    name: str
    economy: Economy
    exposure: Exposure

    def as_json(self) -> dict[str, str]:
        """Code and name, as outputs give them."""
        return {"code": self.code, "name": self.name}


# Read as tables: the fields of Economy and of Exposure in their order.
_ECONOMIES: Final = {
    "BR": (0.17, 0.48, 0.34, 0.28, 0.022, 0.014, 0.045, 0.63, 0.33, 0.14, 0.002, 0.76, 0.095, 0.52),
    "CL": (0.19, 0.62, 0.27, 0.20, 0.025, 0.012, 0.034, 0.60, 0.24, 0.09, -0.005, 0.40, 0.055, 0.45),
    "CO": (0.19, 0.40, 0.35, 0.24, 0.029, 0.012, 0.052, 0.71, 0.28, 0.10, -0.004, 0.56, 0.082, 0.54),
    "CR": (0.13, 0.50, 0.30, 0.37, 0.036, 0.011, 0.026, 0.64, 0.16, 0.06, 0.012, 0.61, 0.068, 0.47),
    "DO": (0.18, 0.42, 0.27, 0.21, 0.045, 0.011, 0.041, 0.68, 0.16, 0.04, -0.001, 0.46, 0.074, 0.39),
    "EC": (0.15, 0.47, 0.25, 0.21, 0.018, 0.015, 0.021, 0.62, 0.31, 0.07, 0.001, 0.53, 0.063, 0.46),
    "ES": (0.21, 0.45, 0.25, 0.37, 0.019, 0.010, 0.022, 0.56, 0.42, 0.18, -0.010, 1.04, 0.025, 0.32),
    "KE": (0.16, 0.30, 0.30, 0.12, 0.050, 0.013, 0.055, 0.76, 0.17, 0.02, -0.003, 0.68, 0.085, 0.39),
    "MX": (0.16, 0.33, 0.30, 0.26, 0.018, 0.013, 0.043, 0.69, 0.25, 0.06, -0.002, 0.50, 0.082, 0.44),
    "PE": (0.18, 0.48, 0.295, 0.22, 0.028, 0.016, 0.029, 0.63, 0.20, 0.03, -0.006, 0.33, 0.052, 0.41),
}  # fmt: skip
_EXPOSURES: Final = {
    "BR": (52, 38, 30, 28, 47, 49),
    "CL": (34, 46, 48, 55, 51, 27),
    "CO": (55, 42, 37, 24, 54, 52),
    "CR": (47, 40, 51, 33, 58, 35),
    "DO": (46, 51, 57, 68, 71, 56),
    "EC": (53, 49, 36, 22, 66, 59),
    "ES": (22, 28, 41, 59, 43, 31),
    "KE": (61, 47, 43, 49, 69, 63),
    "MX": (44, 58, 45, 41, 55, 60),
    "PE": (57, 44, 34, 36, 62, 55),
}  # fmt: skip
_NAMES: Final = {
    "BR": "Brazil",
    "CL": "Chile",
    "CO": "Colombia",
    "CR": "Costa Rica",
    "DO": "Dominican Republic",
    "EC": "Ecuador",
    "ES": "Spain",
    "KE": "Kenya",
    "MX": "Mexico",
    "PE": "Peru",
}

COUNTRIES: Final = {
    code: Country(code, name, Economy(*_ECONOMIES[code]), Exposure(*_EXPOSURES[code])) for code, name in _NAMES.items()
}
"""Every known country by ISO code."""

ALIASES: Final = {"DR": "DO"}
"""Codes in use that are not ISO 3166-1: DR is how people there abbreviate the Dominican Republic."""


def country_of(code: str) -> Country | None:
    """The country with this code, ISO or alias, or None."""
    return COUNTRIES.get(ALIASES.get(code, code))


def _country(value: object) -> Country:
    if not isinstance(value, str):
        raise ValueError("must be a string with a country code, such as 'DO'")  # noqa: TRY004 - pydantic wants a ValueError
    found = country_of(value)
    if found is None:
        raise ValueError(f"must be a known country, one of {', '.join(sorted({*COUNTRIES, *ALIASES}))}{_did_you_mean(value)}")
    return found


def _did_you_mean(value: str) -> str:
    codes = {code: code for code in (*COUNTRIES, *ALIASES)} | {country.name: country.code for country in COUNTRIES.values()}
    name = nearest(value, codes)
    return "" if name is None else f" (did you mean {codes[name]!r}?)"


CountryCode = Annotated[Country, PlainValidator(_country)]
"""A field of inputs that takes a country code and holds the Country."""
