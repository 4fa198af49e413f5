"""How options are ranked."""

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ops_stubs.strategy_findings import Findings, Score
from ops_stubs.strategy_options import Option, options
from ops_stubs.strategy_why import thresholds

BASELINE = {"gdp_growth": 0.04, "debt_share_gdp": 0.5, "consumption_index": 120.0, "gini": 0.39, "inflation": 0.04}


def findings(change: Mapping[str, float], supply: float | None = None, integrity: float | None = None) -> Findings:
    return Findings(
        step="s",
        measure="VAT raised from 18 % to 20 %",
        kpis={name: value + change.get(name, 0) for name, value in BASELINE.items()},
        baseline=BASELINE,
        supply=None if supply is None else Score("supply", supply, "energy"),
        integrity=None if integrity is None else Score("integrity", integrity, "Town"),
    )


def by_id(ranking: tuple[Option, ...]) -> dict[str, Option]:
    return {option.id: option for option in ranking}


def test_options_for_a_gain_everywhere_lead_with_adopting() -> None:
    assert options(findings({"gdp_growth": 0.005, "debt_share_gdp": -0.03}))[0].id == "adopt"


def test_options_for_a_loss_everywhere_lead_with_keeping() -> None:
    ranking = options(findings({"gdp_growth": -0.005, "consumption_index": -2}))
    assert (ranking[0].id, ranking[0].score) == ("keep", 50.0)


def test_options_for_a_ruinous_debt_are_not_saved_by_gains_elsewhere() -> None:
    change = {"gdp_growth": 0.01, "consumption_index": 12, "gini": -0.02, "inflation": -0.01, "debt_share_gdp": 1.3}
    assert options(findings(change))[0].id == "keep"


def test_options_stand_in_the_order_of_their_scores() -> None:
    scores = [option.score for option in options(findings({"debt_share_gdp": -0.02, "gdp_growth": -0.001}))]
    assert scores == sorted(scores, reverse=True)


def test_options_with_tight_supply_make_a_sudden_change_less_good() -> None:
    change = {"debt_share_gdp": -0.02}
    easy, tight = by_id(options(findings(change, supply=0))), by_id(options(findings(change, supply=100)))
    assert tight["adopt"].score < easy["adopt"].score
    assert (tight["phase-in"].score, tight["keep"].score) == (easy["phase-in"].score, easy["keep"].score)
    assert any("supply risk 100.0 of 100, led by energy" in reason for reason in tight["adopt"].reasons)


def test_options_with_doubtful_integrity_make_a_gradual_change_less_good() -> None:
    change = {"debt_share_gdp": -0.02}
    sound, doubtful = by_id(options(findings(change, integrity=0))), by_id(options(findings(change, integrity=100)))
    assert doubtful["phase-in"].score < sound["phase-in"].score
    assert doubtful["adopt"].score == sound["adopt"].score


def test_options_give_reasons_with_both_figures_and_the_difference() -> None:
    adopt = by_id(options(findings({"gdp_growth": -0.0005, "debt_share_gdp": -0.0246})))["adopt"]
    assert "For: public debt 47.5 % instead of 50.0 % (-2.46 pp)" in adopt.reasons
    assert any(reason.startswith("Against: GDP growth") for reason in adopt.reasons)


def test_options_without_a_change_rank_what_can_be_done_under_the_law_in_force() -> None:
    sound, strained = ({"fiscal_balance_share_gdp": balance, "debt_share_gdp": 0.4} for balance in (0.02, -0.05))
    assert [option.id for option in options(Findings(kpis=sound, baseline=sound))] == ["keep", "collect"]
    assert [option.id for option in options(Findings(kpis=strained, baseline=strained))] == ["collect", "keep"]


def test_options_under_the_law_in_force_score_the_same_whatever_the_scenario_changes() -> None:
    def in_force(change: dict[str, float]) -> dict[str, float]:
        return {name: option.score for name, option in by_id(options(findings(change))).items() if name in ("keep", "collect")}

    assert in_force({}) == in_force({"debt_share_gdp": -0.02}) == in_force({"gini": 0.02})


def test_options_have_points_that_add_up_to_their_score() -> None:
    for option in options(findings({"debt_share_gdp": -0.02, "gdp_growth": -0.001}, supply=50, integrity=50)):
        assert option.score == pytest.approx(50 + sum(option.points.values()), abs=0.05)


def test_options_without_a_baseline_are_none() -> None:
    assert options(Findings(kpis=BASELINE)) == ()


@settings(max_examples=50)
@given(
    st.dictionaries(st.sampled_from(sorted(BASELINE)), st.floats(min_value=-1e9, max_value=1e9)),
    st.none() | st.floats(min_value=-1e9, max_value=1e9),
)
def test_options_for_any_change_score_within_the_scale(change: dict[str, float], risk: float | None) -> None:
    found = findings(change, supply=risk, integrity=risk)
    assert all(0 <= option.score <= 100 for option in options(found))
    assert len(thresholds(found)) <= 2


def test_option_in_the_outputs_has_rank_points_and_reasons() -> None:
    ranked = Option("keep", "Keep it", {"gini": 1.234}, ("For: a",)).ranked(2)
    points = {"gini": 1.23}
    assert ranked == {"rank": 2, "id": "keep", "title": "Keep it", "score": 51.2, "points": points, "reasons": ["For: a"]}


@pytest.mark.parametrize("kpis", [{"unknown": 1.0}, {"gini": 0.4}])
def test_options_for_kpis_that_are_few_or_foreign_do_not_fail(kpis: dict[str, float]) -> None:
    other = {name: value + 0.001 for name, value in kpis.items()}
    assert {option.id for option in options(Findings(kpis=other, baseline=kpis))} == {"adopt", "phase-in", "keep", "collect"}
