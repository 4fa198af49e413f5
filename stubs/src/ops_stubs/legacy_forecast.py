"""`POST /forecast` and `GET /indicators` of the legacy service: rows without names, numbers as text, everything in percent.

The figures are synthetic: forecasts scatter around the trend of `countries`, series walk back from its base year.
"""

import math
from collections.abc import Mapping
from typing import Any, Final

from ops_stubs import noise
from ops_stubs.countries import Country, country_of
from ops_stubs.errors import BareError
from ops_stubs.inputs import BASE_YEAR

__all__ = ["forecast", "indicators"]

_LONGEST: Final = 30
_SHOWN: Final = 80

# name in a query: field of Economy, how it is scaled
_SERIES: Final = {
    "gdp_growth": ("growth", 100),
    "inflation": ("inflation", 100),
    "revenue": ("revenue", 100),
    "debt": ("debt", 100),
    "gini": ("gini", 1),
}


def forecast(body: Mapping[str, Any]) -> dict[str, Any]:
    """Growth in percent for `years` years of `country_code`: rows of (year, value) with model, sources and a commentary.

    Raises BareError: 400 with a text for an unknown country, 422 with a list of texts for `years` that are not a
    number from 1 to 30.
    """
    code = body.get("country_code")
    country = country_of(code) if isinstance(code, str) else None
    if country is None:
        raise BareError(400, f"unknown country: {_short(code)}")
    years = _years(body.get("years"))
    if years is None:
        raise BareError(422, [f"years must be 1 to {_LONGEST}"])
    random = noise.generator("legacy", "forecast", country.code, str(body.get("seed") or 0))
    economy = country.economy
    values = [round(100 * random.gauss(economy.growth, economy.volatility), 2) for _ in range(years)]
    rows = [[BASE_YEAR + 1 + index, value] for index, value in enumerate(values)]
    return {
        "rows": rows,
        "model": {"name": "trend", "rev": "7"},
        "sources": [
            "Synthetic national accounts, made up by the stub",
            "Synthetic survey of expectations, made up by the stub",
        ],
        "commentary": _commentary(country, values),
    }


def indicators(iso: str, name: str, last: str) -> list[dict[str, Any]] | dict[str, str]:
    """The `last` years of a series up to the base year, oldest first; an object with `error` for an unknown `name`.

    Raises BareError: 400 without `iso`, 404 for an unknown one. A `last` that is not a number from 1 to 30 is replaced by one.
    """
    if not iso:
        raise BareError(400, "iso is missing")
    country = country_of(iso)
    if country is None:
        raise BareError(404, f"no series for {_short(iso)}")
    if name not in _SERIES:
        return {"error": f"unknown indicator: {_short(name)}"}
    field, scale = _SERIES[name]
    random = noise.generator("legacy", "indicators", country.code, name)
    value = scale * getattr(country.economy, field)
    rows = []
    for year in range(BASE_YEAR, BASE_YEAR - _within_range(last), -1):
        rows.append({"y": year, "v": f"{value:.3f}"})
        value *= 1 + random.gauss(0, 0.03)
    return rows[::-1]


def _years(value: object) -> int | None:
    """A number of years, also as text; None for anything else and for numbers out of range."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return int(number) if number.is_integer() and 1 <= number <= _LONGEST else None


def _within_range(last: str) -> int:
    return min(max(int(last), 1), _LONGEST) if last.isdecimal() and len(last) < 10 else 5


def _short(value: object) -> str:
    return str(value)[:_SHOWN]


def _commentary(country: Country, values: list[float]) -> str:
    mean = math.fsum(values) / len(values)
    last = BASE_YEAR + len(values)
    span = f"in {last}" if len(values) == 1 else f"a year from {BASE_YEAR + 1} to {last}"
    return f"{country.name}: growth of {mean:.2f} % {span}, near its trend. Synthetic figures, fit for no decision."
