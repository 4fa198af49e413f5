"""Over a range of VAT rates: the advice changes where the brief says, and for the reason that it names."""

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import pytest

from ops_stubs.countries import COUNTRIES, Country
from ops_stubs.policy_model import Levers, headline, in_force, shocks, simulate
from ops_stubs.strategy_brief import page
from ops_stubs.strategy_findings import Findings, Score
from ops_stubs.strategy_options import NAMES, options
from ops_stubs.strategy_scores import CRITERIA, leader, points_of, total, turning_points
from ops_stubs.strategy_why import thresholds, why

RATES = [rate / 100 for rate in range(10, 30)]
SUPPLY, INTEGRITY = Score("s", 55, "energy"), Score("a", 50, "Town")


def found(country: Country, vat_rate: float, *, seed: int = 42, risks: bool = False) -> Findings:
    """What the strategy agent finds after a simulation of `vat_rate`."""
    today = in_force(country)
    levers = Levers(vat_rate, today.cit_rate, today.payroll_tax_rate, today.transfers_share_gdp)
    luck = shocks(country, 5, seed)
    return Findings(
        step="simulation",
        country=country.name,
        measure="" if vat_rate == today.vat_rate else f"VAT at {vat_rate}",
        levers={"vat_rate": (today.vat_rate, vat_rate)},
        kpis=headline(simulate(country, levers, luck)),
        baseline=headline(simulate(country, today, luck)),
        supply=SUPPLY if risks else None,
        integrity=INTEGRITY if risks else None,
    )


def first(findings: Findings) -> str:
    return options(findings)[0].id


@pytest.mark.parametrize("risks", [False, True])
@pytest.mark.parametrize("country", COUNTRIES.values(), ids=list(COUNTRIES))
def test_advice_over_rising_rates_goes_from_the_law_in_force_to_adopting_to_phasing_in(country: Country, risks: bool) -> None:
    """And in the end back to the very option with which it began; adopting may be missing, where its turn is too short."""
    for seed in (1, 42):
        leaders = [name for name, _ in groupby(first(found(country, rate, seed=seed, risks=risks)) for rate in RATES)]
        assert leaders[0] in ("keep", "collect")
        assert leaders[1:] in (["adopt", "phase-in"], ["phase-in"], ["adopt", "phase-in", leaders[0]])


@pytest.mark.parametrize("risks", [False, True])
def test_thresholds_are_where_a_simulation_of_that_rate_changes_the_advice(risks: bool) -> None:
    """A threshold comes from one simulation, taken as proportional, so that it is right to about a point."""
    for rate in RATES:
        findings = found(COUNTRIES["DO"], rate, risks=risks)
        for point in turning_points(findings):
            threshold = 0.18 + (rate - 0.18) * point.times
            near, beyond = (threshold + step if point.times > 1 else threshold - step for step in (-0.01, 0.01))
            assert first(found(COUNTRIES["DO"], near, risks=risks)) == point.former
            assert first(found(COUNTRIES["DO"], beyond, risks=risks)) == point.leader


def turning(country: Country) -> Iterator[tuple[Findings, Any]]:
    for rate in RATES:
        findings = found(country, rate)
        yield from ((findings, point) for point in turning_points(findings))


def test_turning_points_name_the_criterion_that_brings_the_most() -> None:
    for findings, point in turning(COUNTRIES["DO"]):
        here, there = points_of(findings), points_of(findings, point.times)
        moved = {
            name: there[point.leader][name] - there[point.former][name] - here[point.leader][name] + here[point.former][name]
            for name in CRITERIA
        }
        assert moved[point.main] == max(moved.values()) == pytest.approx(point.main_gained)
        assert sum(moved.values()) == pytest.approx(point.gained)


def test_turning_points_gain_what_the_leader_was_behind() -> None:
    for findings, point in turning(COUNTRIES["DO"]):
        here = points_of(findings)
        assert point.former == leader(here)
        assert point.gained == pytest.approx(total(here[point.former]) - total(here[point.leader]), abs=0.05)


def test_thresholds_say_rate_leader_and_main_reason() -> None:
    sentence = next(text for text in thresholds(found(COUNTRIES["DO"], 0.2)) if "above" in text)
    assert re.fullmatch(
        r"With VAT above about 2[\d.]+ %, phasing in would lead: by then it has gained [\d.]+ points on adopting at once, "
        r"most of all on household consumption \(\+[\d.]+\)\.",
        sentence,
    )


def test_thresholds_next_to_the_modelled_change_say_that_little_is_missing() -> None:
    near = next(point for point in turning_points(found(COUNTRIES["DO"], 0.22)) if point.times > 1)
    sentence = thresholds(found(COUNTRIES["DO"], 0.18 + 0.04 * near.times - 0.0002))[-1]
    assert sentence.endswith(
        "by then it has gained less than 0.1 points on adopting at once, most of all on household consumption."
    )


def test_thresholds_of_several_rates_are_multiples_of_the_change() -> None:
    findings = found(COUNTRIES["DO"], 0.2)
    several = Findings(**{**vars(findings), "levers": {**findings.levers, "cit_rate": (0.27, 0.25)}})
    assert any(re.match(r"With more than about [\d.]+ times this change, phasing in", text) for text in thresholds(several))


def test_thresholds_of_a_change_that_nothing_saves_say_so() -> None:
    assert thresholds(found(COUNTRIES["DO"], 0.15)) == (
        "No change of this kind, up to three times as large, would put another option first.",
    )


def test_thresholds_without_a_change_are_none() -> None:
    assert thresholds(found(COUNTRIES["DO"], 0.18)) == ()


@pytest.mark.parametrize("rate", [0.15, 0.18, 0.2, 0.25])
def test_why_gives_the_runner_up_and_by_what_it_loses(rate: float) -> None:
    ranking = options(found(COUNTRIES["DO"], rate))
    best, second = ranking[:2]
    sentence = next(text for text in why(ranking) if NAMES[second.id] in text.partition(".")[0])
    named = {name: float(lead) for name, lead in re.findall(rf"({'|'.join(CRITERIA.values())}) \(([-+][\d.]+)\)", sentence)}
    ahead = {CRITERIA[name]: points - second.points[name] for name, points in best.points.items()}
    assert named == {name: pytest.approx(lead, abs=0.051) for name, lead in ahead.items() if abs(lead) >= 0.05}


def test_why_compares_a_change_with_the_law_in_force() -> None:
    ranking = options(found(COUNTRIES["DO"], 0.22))
    assert [option.id for option in ranking[:2]] == ["adopt", "phase-in"]
    assert any(text.startswith("Adopting at once leads collecting better by ") for text in why(ranking))


def test_page_of_equal_findings_is_the_same() -> None:
    pages = {page(findings, options(findings)) for findings in (found(COUNTRIES["DO"], 0.22) for _ in range(2))}
    assert len(pages) == 1


def test_page_adds_up() -> None:
    text = page(findings := found(COUNTRIES["DO"], 0.22, risks=True), options(findings))
    rows = [line.strip("| ").split(" | ") for line in text.partition("| Points for |")[2].splitlines()[2:9]]
    columns = [[float(cell) for cell in column] for column in zip(*(row[2:] for row in rows), strict=True)]
    assert all(50 + sum(points) == pytest.approx(score, abs=0.35) for *points, score in columns)
