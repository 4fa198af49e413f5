"""The data layer: indicators with unit, year and source."""

import csv
import io
from collections.abc import Callable

import pytest

from ops_contract import ExecuteRequest, resolve_pointer
from ops_stubs.countries import COUNTRIES
from ops_stubs.data_layer import execute
from ops_stubs.module import Result

MakeRequest = Callable[..., ExecuteRequest]


@pytest.fixture
def result(ask: MakeRequest) -> Result:
    return execute(ask())


def rows_of(result: Result) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(result.artifacts[0].content.decode(), newline="")))


def test_execute_gives_every_indicator_a_unit_a_year_and_a_source(result: Result) -> None:
    indicators = result.outputs["indicators"]
    assert len({indicator["id"] for indicator in indicators}) == len(indicators) == 11
    assert {indicator["year"] for indicator in indicators} == {2025}
    assert all(indicator["unit"] and indicator["source"].startswith("Synthetic") for indicator in indicators)


def test_execute_gives_the_figures_that_the_simulator_starts_from(result: Result) -> None:
    found = {indicator["id"]: indicator["value"] for indicator in result.outputs["indicators"]}
    economy = COUNTRIES["DO"].economy
    assert (found["vat_rate"], found["debt"], found["gini"]) == (economy.vat_rate, economy.debt, economy.gini)


def test_execute_supports_every_indicator_with_evidence(result: Result) -> None:
    supported = [pointer for evidence in result.evidence for pointer in evidence.supports]
    assert sorted(supported) == sorted(f"/indicators/{index}/value" for index in range(11))
    assert all(isinstance(resolve_pointer(result.outputs, pointer), float) for pointer in supported)


def test_execute_hands_over_five_years_as_a_table_by_href(result: Result) -> None:
    rows = rows_of(result)
    assert result.artifacts[0].by_href
    assert (len(rows), {row["country"] for row in rows}) == (55, {"DO"})
    assert sorted({row["year"] for row in rows}) == ["2021", "2022", "2023", "2024", "2025"]


def test_execute_ends_its_table_with_the_outputs(result: Result) -> None:
    latest = {row["id"]: float(row["value"]) for row in rows_of(result) if row["year"] == "2025"}
    assert latest == {indicator["id"]: indicator["value"] for indicator in result.outputs["indicators"]}


def test_execute_leaves_rates_in_law_as_they_were(result: Result) -> None:
    values = {(row["id"], row["value"]) for row in rows_of(result)}
    assert len([value for name, value in values if name == "vat_rate"]) == 1
    assert len([value for name, value in values if name == "growth"]) == 5


def test_execute_with_another_seed_knows_the_same_facts(ask: MakeRequest) -> None:
    one, two = (execute(ask(options={"seed": seed})) for seed in (1, 2))
    assert one == two
