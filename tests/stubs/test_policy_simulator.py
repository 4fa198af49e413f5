"""The action of the policy simulator: what it reads, answers and hands over."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from ops_contract import ExecuteRequest
from ops_stubs.errors import InputError
from ops_stubs.figures import KPIS
from ops_stubs.module import Result
from ops_stubs.policy_simulator import execute

MakeRequest = Callable[..., ExecuteRequest]


def inputs(vat_rate: float | None = None, country: str = "DR", **more: Any) -> dict[str, Any]:
    parameters = {} if vat_rate is None else {"policy_parameters": {"vat_rate": vat_rate}}
    return {"country": country, **parameters, **more}


@pytest.fixture(scope="module")
def unchanged(ask: MakeRequest) -> dict[str, Any]:
    """The outputs for a scenario without parameters."""
    return execute(ask(inputs=inputs())).outputs


@pytest.fixture(scope="module")
def higher(ask: MakeRequest) -> Result:
    """What is found for a VAT that is two points higher."""
    return execute(ask(inputs=inputs(0.2)))


@pytest.mark.parametrize(
    ("name", "hint"), [("VAT_rate", "did you mean 'vat_rate'?"), ("x", "there are vat_rate, cit_rate, payroll_tax_rate")]
)
def test_parameter_that_is_not_a_lever_is_warned_of(ask: MakeRequest, name: str, hint: str) -> None:
    (warning,) = execute(ask(inputs={"country": "DR", "policy_parameters": {name: 0.2, "vat_rate": 0.2}})).warnings
    assert warning.startswith(f"policy_parameters/{name} is not used; {hint}")


def test_execute_without_parameters_changes_nothing(unchanged: dict[str, Any]) -> None:
    outputs = unchanged
    assert outputs["kpis"] == outputs["baseline"]
    assert set(outputs["change"].values()) == {0.0}
    assert all(year["baseline"] == year["scenario"] for year in outputs["path"])


def test_execute_with_a_rate_in_force_or_null_simulates_the_law_in_force(ask: MakeRequest, unchanged: dict[str, Any]) -> None:
    given = inputs(policy_parameters={"vat_rate": 0.18, "cit_rate": None})
    assert execute(ask(inputs=given)).outputs == unchanged


def test_execute_with_a_higher_vat_states_every_change(higher: Result) -> None:
    outputs = higher.outputs
    assert outputs["policy"]["vat_rate"] == {"baseline": 0.18, "scenario": 0.2}
    assert {name: pytest.approx(outputs["kpis"][name] - outputs["baseline"][name], abs=2e-6) for name in KPIS} == outputs[
        "change"
    ]
    assert outputs["kpis"].keys() == outputs["units"].keys() == KPIS.keys()


@pytest.fixture(scope="module")
def other(ask: MakeRequest) -> dict[str, Any]:
    """The outputs for a longer horizon, and other levers than VAT."""
    levers = {"cit_rate": 0.2, "payroll_tax_rate": 0.3, "transfers_share_gdp": 0.05}
    return execute(ask(inputs=inputs(policy_parameters=levers, time_horizon_years=8.0))).outputs


def test_execute_takes_the_headline_from_the_path(other: dict[str, Any]) -> None:
    outputs = other
    last = outputs["path"][-1]
    assert (len(outputs["path"]), last["year"], outputs["horizon"]["last_year"]) == (8, 2033, 2033)
    assert outputs["kpis"]["debt_share_gdp"] == last["scenario"]["debt_share_gdp"]
    assert outputs["baseline"]["consumption_index"] == last["baseline"]["consumption_index"]


def test_execute_with_another_seed_meets_other_luck(ask: MakeRequest, higher: Result) -> None:
    one, two = higher.outputs, execute(ask(inputs=inputs(0.2), options={"seed": 1})).outputs
    assert one["baseline"]["gdp_growth"] != two["baseline"]["gdp_growth"]
    assert one["change"]["gdp_growth"] == pytest.approx(two["change"]["gdp_growth"], abs=1e-5)


def test_execute_hands_over_a_table_inline_and_a_plot_by_href(higher: Result) -> None:
    table, plot = higher.artifacts
    assert (table.name, table.by_href, plot.name, plot.by_href) == ("kpis.json", False, "plot.png", True)
    assert json.loads(table.content)["kpis"] == higher.outputs["kpis"]


def test_execute_with_other_levers_changes_them_alone(other: dict[str, Any]) -> None:
    assert [name for name, rate in other["policy"].items() if rate["baseline"] != rate["scenario"]] == [
        "cit_rate",
        "payroll_tax_rate",
        "transfers_share_gdp",
    ]


@pytest.mark.parametrize(
    ("given", "pointer", "said"),
    [
        (inputs(18), "/inputs/policy_parameters/vat_rate", "/inputs/policy_parameters/vat_rate must be a share from 0 to 0.5"),
        (inputs(-0.1), "/inputs/policy_parameters/vat_rate", "not -0.1"),
        (inputs(policy_parameters={"vat_rate": "0.18"}), "/inputs/policy_parameters/vat_rate", "must be a number, not '0.18'"),
        (inputs(policy_parameters={"vat_rate": True}), "/inputs/policy_parameters/vat_rate", "not true"),
        (inputs(policy_parameters={"transfers_share_gdp": 2}), "/inputs/policy_parameters/transfers_share_gdp", "from 0 to 1"),
        (inputs(policy_parameters=[]), "/inputs/policy_parameters", "must be an object"),
        (inputs(time_horizon_years=0), "/inputs/time_horizon_years", "from 1 to 30, not 0"),
        (inputs(time_horizon_years=31), "/inputs/time_horizon_years", "from 1 to 30, not 31"),
        (inputs(time_horizon_years=5.5), "/inputs/time_horizon_years", "must be an integer"),
        (inputs(time_horizon_years="5"), "/inputs/time_horizon_years", "not '5'"),
        (inputs(country="XX"), "/inputs/country", "one of BR, CL"),
        (inputs(country="Dominican republic"), "/inputs/country", "did you mean 'DO'?"),
        ({"country": 7}, "/inputs/country", "must be a string"),
        ({}, "/inputs/country", "/inputs/country is required"),
    ],
    ids=str,
)
def test_execute_with_inputs_that_make_no_sense_says_which_and_why(
    ask: MakeRequest, given: dict[str, Any], pointer: str, said: str
) -> None:
    with pytest.raises(InputError) as raised:
        execute(ask(inputs=given))
    assert raised.value.pointer == pointer
    assert said in raised.value.message


def test_execute_with_several_problems_keeps_them_all(ask: MakeRequest) -> None:
    with pytest.raises(InputError, match="1 more") as raised:
        execute(ask(inputs=inputs(9, "XX")))
    assert [problem.pointer for problem in raised.value.problems] == ["/inputs/country", "/inputs/policy_parameters/vat_rate"]
