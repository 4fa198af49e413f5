"""data-layer: the indicators that the other modules start from, each with its unit, year and source.

inputs    country
outputs   country, indicators (id, label, value, unit, year, source), years
artifacts indicators.csv (by href): the same indicators for the five years to the base year

The base year is the table of `countries`; earlier years walk back from it with noise (sd 2 % of the value). Indicators are
facts of the data layer, so they depend on the country and not on the seed.
"""

import csv
import io
from typing import Any, Final

from ops_contract import ContractModel, Evidence, ExecuteRequest
from ops_stubs import noise
from ops_stubs.countries import Country, CountryCode
from ops_stubs.inputs import BASE_YEAR, read_inputs
from ops_stubs.module import File, Result, Stub

__all__ = ["STUB", "execute"]

_YEARS: Final = 5
_ACCOUNTS: Final = "Synthetic national accounts"
_FINANCES: Final = "Synthetic public finances"
_SURVEY: Final = "Synthetic household survey"

# field of Economy: label, unit, source, whether the indicator is a rate in law, which does not wobble
_INDICATORS: Final = {
    "growth": ("Real GDP growth, trend", "share a year", _ACCOUNTS, False),
    "inflation": ("Consumer price inflation", "share a year", _ACCOUNTS, False),
    "consumption": ("Household consumption", "share of GDP", _ACCOUNTS, False),
    "vat_rate": ("Standard VAT rate", "share", _FINANCES, True),
    "cit_rate": ("Corporate income tax rate", "share", _FINANCES, True),
    "vat_efficiency": ("VAT collected of rate times consumption", "share", _FINANCES, False),
    "revenue": ("Government revenue", "share of GDP", _FINANCES, False),
    "transfers": ("Transfers to households", "share of GDP", _FINANCES, False),
    "debt": ("Public debt", "share of GDP", _FINANCES, False),
    "interest": ("Interest on public debt, nominal", "share a year", _FINANCES, False),
    "gini": ("Gini coefficient of disposable income", "0 (equal) to 1", _SURVEY, False),
}


class DataInputs(ContractModel):
    """What this stub reads of a scenario."""

    country: CountryCode


def execute(request: ExecuteRequest) -> Result:
    """List the indicators of a country. Raises InputError."""
    country = read_inputs(DataInputs, request.inputs).country
    rows = _rows(country)
    latest = [row for row in rows if row["year"] == BASE_YEAR]
    outputs = {
        "country": country.as_json(),
        "indicators": latest,
        "years": {"first": BASE_YEAR - _YEARS + 1, "last": BASE_YEAR},
    }
    table = File("indicators.csv", "text/csv", _csv(country, rows), by_href=True)
    return Result(outputs, artifacts=(table,), evidence=_evidence(latest))


def _rows(country: Country) -> list[dict[str, Any]]:
    return [row for name in _INDICATORS for row in _series(country, name)]


def _series(country: Country, name: str) -> list[dict[str, Any]]:
    label, unit, source, is_law = _INDICATORS[name]
    random = noise.generator("data-layer", country.code, name)
    value: float = getattr(country.economy, name)
    rows = []
    for year in range(BASE_YEAR, BASE_YEAR - _YEARS, -1):
        rows.append({"id": name, "label": label, "value": round(value, 4), "unit": unit, "year": year, "source": source})
        value *= 1 if is_law else 1 + random.gauss(0, 0.02)
    return rows[::-1]


def _csv(country: Country, rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, ["country", "id", "label", "value", "unit", "year", "source"])
    writer.writeheader()
    writer.writerows({"country": country.code, **row} for row in rows)
    return text.getvalue().encode()


def _evidence(latest: list[dict[str, Any]]) -> tuple[Evidence, ...]:
    return tuple(
        Evidence(
            id=source.lower().replace(" ", "-"),
            kind="dataset",
            title=f"{source}, {BASE_YEAR}, made up by the stub",
            supports=tuple(f"/indicators/{index}/value" for index, row in enumerate(latest) if row["source"] == source),
            artifact="indicators.csv",
            synthetic=True,
        )
        for source in (_ACCOUNTS, _FINANCES, _SURVEY)
    )


STUB: Final = Stub(
    name="data-layer",
    summary="The indicators that the other modules start from, with their sources",
    actions={"execute": execute},
)
"""The stand-in for the data layer."""
