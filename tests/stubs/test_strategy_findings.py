"""What the strategy agent takes from earlier steps, and what it leaves."""

from collections.abc import Callable
from typing import Any

import pytest

from ops_contract import ExecuteRequest
from ops_stubs.strategy_findings import Findings, Score, findings

MakeRequest = Callable[..., ExecuteRequest]


@pytest.fixture
def found(ask: MakeRequest) -> Callable[..., Findings]:
    """The findings of a request whose earlier steps are given as step=(module, outputs)."""

    def make(**steps: tuple[str, dict[str, Any]]) -> Findings:
        upstream = {step.replace("_", "-"): {"module": module, "outputs": outputs} for step, (module, outputs) in steps.items()}
        return findings(ask(upstream=upstream))

    return make


def test_findings_of_the_seed_example_has_its_kpi_and_lacks_a_baseline(found: Callable[..., Findings]) -> None:
    result = found(first=("policy-simulator", {"kpis": {"gdp_growth": 0.02}, "artifacts": ["kpis.json"]}))
    assert (result.step, result.kpis, result.change) == ("first", {"gdp_growth": 0.02}, {})
    assert "baseline" in result.lacks()[0]


def test_findings_of_several_simulations_takes_the_last(found: Callable[..., Findings]) -> None:
    result = found(
        one=("policy-simulator", {"kpis": {"gini": 0.1}}),
        two=("policy-simulator", {"kpis": {"gini": 0.2}}),
        three=("monitor", {"kpis": {"gini": 0.3}}),
    )
    assert (result.step, result.kpis) == ("two", {"gini": 0.2})


def test_findings_without_earlier_steps_lacks_everything(found: Callable[..., Findings]) -> None:
    assert found() == Findings()
    assert [missing.split(":")[0] for missing in found().lacks()] == [
        "policy-simulator",
        "supplychain-risk",
        "dr-anticorruption",
    ]


@pytest.mark.parametrize(
    "kpis", [None, 1, "x", [], {"gini": "0.3"}, {"gini": True}, {"gini": None}, {"gini": [1]}, {"gini": 1e300}]
)
def test_findings_of_kpis_that_are_no_numbers_takes_none(found: Callable[..., Findings], kpis: object) -> None:
    result = found(one=("policy-simulator", {"kpis": kpis, "baseline": kpis, "policy": kpis, "country": kpis}))
    assert (result.kpis, result.change, result.measure) == ({}, {}, "")


def test_findings_compares_only_what_has_a_baseline(found: Callable[..., Findings]) -> None:
    result = found(one=("policy-simulator", {"kpis": {"gini": 0.4, "gdp_growth": 0.02}, "baseline": {"gini": 0.3}}))
    assert result.change == {"gini": pytest.approx(0.1)}


@pytest.mark.parametrize(("country", "name"), [({"name": "Chile"}, "Chile"), ("Chile", "Chile"), ({"code": "CL"}, ""), (5, "")])
def test_findings_takes_the_country_in_either_form(found: Callable[..., Findings], country: object, name: str) -> None:
    assert found(one=("policy-simulator", {"country": country})).country == name


def test_findings_tells_what_the_scenario_changes(found: Callable[..., Findings]) -> None:
    policy = {"vat_rate": {"baseline": 0.18, "scenario": 0.2}, "cit_rate": {"baseline": 0.3, "scenario": 0.3}, "odd": 4}
    assert found(one=("policy-simulator", {"policy": policy})).measure == "VAT raised from 18 % to 20 %"


def test_findings_takes_risks_with_what_leads_them(found: Callable[..., Findings]) -> None:
    result = found(
        s=("supplychain-risk", {"overall": 55, "drivers": [{"component": "import_dependence"}]}),
        a=("dr-anticorruption", {"overall": 40.5, "entities": [{"name": "Town"}]}),
    )
    assert (result.supply, result.integrity) == (Score("s", 55, "import dependence"), Score("a", 40.5, "Town"))
    assert len(result.lacks()) == 1


@pytest.mark.parametrize("drivers", [None, [], [5], [{"component": 5}], {"component": "x"}])
def test_findings_takes_a_risk_without_knowing_what_leads_it(found: Callable[..., Findings], drivers: object) -> None:
    assert found(s=("supplychain-risk", {"overall": 55, "drivers": drivers})).supply == Score("s", 55, "")


def test_findings_leaves_a_risk_without_a_score(found: Callable[..., Findings]) -> None:
    assert found(s=("supplychain-risk", {"overall": "high"})).supply is None
