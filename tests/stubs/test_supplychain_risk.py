"""The supply-chain stub: scores, their sum, and what drives it."""

from collections.abc import Callable
from typing import Any

import pytest

from ops_contract import ExecuteRequest
from ops_stubs.errors import BareError, InputError
from ops_stubs.supplychain_risk import ScoreBody, execute, score

MakeRequest = Callable[..., ExecuteRequest]


@pytest.fixture
def outputs(ask: MakeRequest) -> Callable[..., dict[str, Any]]:
    def make(seed: int = 42, **inputs: Any) -> dict[str, Any]:
        return execute(ask(inputs={"country": "DR", **inputs}, options={"seed": seed})).outputs

    return make


def test_execute_scores_every_component_within_the_scale(outputs: Callable[..., dict[str, Any]]) -> None:
    found = outputs()
    assert set(found["components"]) == {"logistics", "supplier_concentration", "import_dependence", "energy", "climate"}
    assert all(0 <= value <= 100 for value in found["components"].values())


def test_execute_sums_contributions_to_the_overall_score(outputs: Callable[..., dict[str, Any]]) -> None:
    found = outputs()
    assert sum(driver["weight"] for driver in found["drivers"]) == pytest.approx(1)
    assert sum(driver["contribution"] for driver in found["drivers"]) == pytest.approx(found["overall"], abs=0.051)


def test_execute_puts_the_largest_contribution_first(outputs: Callable[..., dict[str, Any]]) -> None:
    contributions = [driver["contribution"] for driver in outputs()["drivers"]]
    assert contributions == sorted(contributions, reverse=True)


def test_execute_with_a_longer_horizon_fears_the_climate_more(outputs: Callable[..., dict[str, Any]]) -> None:
    near, far = outputs(time_horizon_years=5)["components"], outputs(time_horizon_years=25)["components"]
    assert far["climate"] == pytest.approx(near["climate"] + 12)
    assert {name: far[name] for name in far if name != "climate"} == {name: near[name] for name in near if name != "climate"}


def test_execute_with_another_sector_or_seed_scores_otherwise(outputs: Callable[..., dict[str, Any]]) -> None:
    usual = outputs()["components"]
    assert outputs(sector="tourism")["components"] != usual
    assert outputs(seed=43)["components"] != usual


def test_execute_with_an_unknown_sector_lists_the_known_ones(ask: MakeRequest) -> None:
    with pytest.raises(InputError, match="'agriculture', 'energy'") as raised:
        execute(ask(inputs={"country": "DR", "sector": "mining"}))
    assert raised.value.pointer == "/inputs/sector"


def test_execute_hands_over_a_chart_inline(ask: MakeRequest) -> None:
    (chart,) = execute(ask()).artifacts
    assert (chart.name, chart.media_type, chart.by_href) == ("risk.png", "image/png", False)
    assert len(chart.content) < 256 * 1024


def test_score_speaks_its_own_language() -> None:
    found = score(ScoreBody(iso="DR"))
    assert (found["iso"], found["band"]) == ("DO", "B")
    assert 0 < float(found["score"]) < 1
    assert len(found["breakdown"]) == 5


@pytest.mark.parametrize("body", [ScoreBody(iso="XX"), ScoreBody(iso="DR", industry="mining")])
def test_score_of_the_unknown_is_refused(body: ScoreBody) -> None:
    with pytest.raises(BareError, match="no data for"):
        score(body)
