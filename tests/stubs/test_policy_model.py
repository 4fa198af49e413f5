"""The arithmetic of the policy simulator: signs, sizes, and nothing from nothing."""

import math
from dataclasses import asdict, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ops_stubs.countries import COUNTRIES, Country
from ops_stubs.policy_model import Levers, headline, in_force, shocks, simulate

countries = st.sampled_from(list(COUNTRIES.values()))
rates = st.floats(min_value=0, max_value=0.5)


def kpis(country: Country, levers: Levers, years: int = 5, seed: int = 42) -> dict[str, float]:
    return headline(simulate(country, levers, shocks(country, years, seed)))


@pytest.fixture(params=list(COUNTRIES))
def country(request: pytest.FixtureRequest) -> Country:
    return COUNTRIES[request.param]


@pytest.mark.parametrize(
    ("lever", "raised", "lowered"),
    [
        (
            "vat_rate",
            {"revenue_share_gdp", "inflation", "gini", "fiscal_balance_share_gdp"},
            {"gdp_growth", "consumption_index"},
        ),
        ("cit_rate", {"revenue_share_gdp", "fiscal_balance_share_gdp"}, {"gdp_growth", "gini", "consumption_index"}),
        ("payroll_tax_rate", {"revenue_share_gdp", "gini"}, {"gdp_growth", "consumption_index"}),
        ("transfers_share_gdp", {"gdp_growth", "consumption_index", "debt_share_gdp"}, {"gini", "fiscal_balance_share_gdp"}),
    ],
)
def test_simulate_with_a_lever_raised_moves_the_kpis_the_right_way(
    country: Country, lever: str, raised: set[str], lowered: set[str]
) -> None:
    today = in_force(country)
    before = kpis(country, today)
    after = kpis(country, replace(today, **{lever: getattr(today, lever) + 0.03}))
    assert {name for name in raised if after[name] <= before[name]} == set()
    assert {name for name in lowered if after[name] >= before[name]} == set()


def test_simulate_with_a_higher_vat_leaves_less_debt(country: Country) -> None:
    today = in_force(country)
    after = kpis(country, replace(today, vat_rate=today.vat_rate + 0.03))
    assert after["debt_share_gdp"] < kpis(country, today)["debt_share_gdp"]


def test_simulate_with_two_points_of_vat_has_effects_of_a_plausible_size(country: Country) -> None:
    today = in_force(country)
    before, after = kpis(country, today), kpis(country, replace(today, vat_rate=today.vat_rate + 0.02))
    assert 0.002 < after["revenue_share_gdp"] - before["revenue_share_gdp"] < 0.01
    assert 0 < before["gdp_growth"] - after["gdp_growth"] < 0.003
    assert 0 < after["gini"] - before["gini"] < 0.003


def test_simulate_with_the_rates_in_force_is_the_baseline(country: Country) -> None:
    luck = shocks(country, 10, 1)
    assert simulate(country, in_force(country), luck) == simulate(country, replace(in_force(country)), luck)


@settings(max_examples=30, deadline=None)
@given(country=countries, low=rates, high=rates, years=st.integers(1, 30), seed=st.integers(0, 2**31 - 1))
def test_simulate_with_more_vat_never_raises_less_revenue(
    country: Country, low: float, high: float, years: int, seed: int
) -> None:
    low, high = sorted((low, high))
    less = kpis(country, replace(in_force(country), vat_rate=low), years, seed)
    more = kpis(country, replace(in_force(country), vat_rate=high), years, seed)
    assert more["revenue_share_gdp"] >= less["revenue_share_gdp"]
    assert more["gdp_growth"] <= less["gdp_growth"]


@settings(max_examples=30, deadline=None)
@given(
    country=countries,
    levers=st.builds(Levers, rates, rates, rates, st.floats(min_value=0, max_value=1)),
    years=st.integers(1, 30),
    seed=st.integers(0, 2**31 - 1),
)
def test_simulate_with_any_levers_stays_finite(country: Country, levers: Levers, years: int, seed: int) -> None:
    path = simulate(country, levers, shocks(country, years, seed))
    assert all(math.isfinite(value) for year in path for value in year.figures().values())
    assert len(path) == years


def test_simulate_counts_years_from_the_first(country: Country) -> None:
    path = simulate(country, in_force(country), shocks(country, 3, 0), first_year=2031)
    assert [year.year for year in path] == [2031, 2032, 2033]


def test_simulate_chains_the_index_and_the_debt() -> None:
    country = COUNTRIES["DO"]
    first, second = simulate(country, in_force(country), shocks(country, 2, 42))
    assert second.gdp_index == pytest.approx(first.gdp_index * (1 + second.gdp_growth))
    carried = first.debt_share_gdp / ((1 + second.gdp_growth) * (1 + second.inflation))
    assert second.debt_share_gdp == pytest.approx(carried - second.fiscal_balance_share_gdp)


def test_shocks_of_a_longer_horizon_begin_with_the_same_years(country: Country) -> None:
    assert shocks(country, 30, 7)[:5] == shocks(country, 5, 7)


def test_shocks_differ_by_seed_and_country() -> None:
    one = shocks(COUNTRIES["DO"], 5, 1)
    assert one != shocks(COUNTRIES["DO"], 5, 2)
    assert one != shocks(COUNTRIES["CO"], 5, 1)


def test_headline_takes_means_for_rates_and_the_last_year_for_levels() -> None:
    country = COUNTRIES["DO"]
    path = simulate(country, in_force(country), shocks(country, 4, 3))
    found = headline(path)
    assert found["gdp_growth"] == pytest.approx(sum(year.gdp_growth for year in path) / 4, abs=1e-6)
    assert found["debt_share_gdp"] == path[-1].figures()["debt_share_gdp"]


def test_in_force_reads_the_levers_from_the_table() -> None:
    assert asdict(in_force(COUNTRIES["DO"])) == {
        "vat_rate": 0.18,
        "cit_rate": 0.27,
        "payroll_tax_rate": 0.21,
        "transfers_share_gdp": 0.04,
    }
