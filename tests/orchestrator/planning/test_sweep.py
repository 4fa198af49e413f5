import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from ops_orchestrator.errors import InvalidRequestError
from ops_orchestrator.planning.scenario import read_scenario
from ops_orchestrator.planning.sweep import SweepRequest, point_at, points, read_sweep

VAT = "/policy_parameters/vat_rate"
SCENARIO: dict[str, Any] = {
    "scenario_id": "vat",
    "modules": ["alpha"],
    "inputs": {"country": "DR", "policy_parameters": {"vat_rate": 0.18, "rebate": 0}, "shocks": [{"size": 1}, {"size": 2}]},
    "run_options": {"seed": 7, "labels": {"study": "vat"}},
}


def read(sweep: Any, max_points: int = 10_000, **fields: Any) -> SweepRequest:
    return read_sweep(json.dumps({**SCENARIO, **fields, "sweep": sweep}).encode(), max_points=max_points)


def values(sweep: dict[str, Any]) -> list[Any]:
    return [tuple(point.parameters.values()) for point in points(read(sweep))]


def seeds(sweep: dict[str, Any]) -> list[int]:
    return [point.seed for point in points(read(sweep))]


def test_range_of_decimals_has_the_doubles_that_people_would_write() -> None:
    found = values({"parameters": {VAT: {"from": 0.10, "to": 0.29, "step": 0.01}}})
    assert [repr(value) for (value,) in found] == [str(Decimal(cents) / 100) for cents in range(10, 30)]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"from": 1, "to": 9, "step": 3}, [1, 4, 7]),
        ({"from": 1, "to": 2, "step": 0.5}, [1.0, 1.5, 2.0]),
        ({"from": 0.3, "to": 0.1, "step": -0.1}, [0.3, 0.2, 0.1]),
        ({"from": 0.1, "to": 0.35, "step": 0.1}, [0.1, 0.2, 0.3]),
        ({"from": 5, "to": 5, "step": 1}, [5]),
        ({"from": 1e-7, "to": 3e-7, "step": 1e-7}, [1e-7, 2e-7, 3e-7]),
    ],
)
def test_range_ends_on_its_last_step(asked: dict[str, float], expected: list[float]) -> None:
    found = [value for (value,) in values({"parameters": {VAT: asked}})]
    assert found == expected
    assert list(map(type, found)) == list(map(type, expected))


def test_grid_has_every_value_with_every_other_and_with_each_seed() -> None:
    sweep = {"parameters": {VAT: [0.1, 0.2], "/country": ["DR", "CR"]}, "seeds": [3, 1]}
    assert values(sweep)[::2] == [(0.1, "DR"), (0.1, "CR"), (0.2, "DR"), (0.2, "CR")]
    assert seeds(sweep) == [3, 1] * 4


def test_zip_has_the_first_with_the_first_and_so_on() -> None:
    sweep = {"parameters": {VAT: [0.1, 0.2], "/country": ["DR", "CR"]}, "cases": [{"/a": 1}, {"/a": 2}], "combine": "zip"}
    assert values(sweep) == [(0.1, "DR", 1), (0.2, "CR", 2)]


def test_cases_set_several_inputs_together() -> None:
    sweep = {
        "parameters": {"/country": ["DR", "CR"]},
        "cases": [{VAT: 0.1, "/shocks/1/size": 5}, {VAT: 0.2, "/shocks/1/size": 6}],
    }
    (first, *_), request = points(read(sweep)), read(sweep)
    assert [parameter.pointer for parameter in request.parameters] == ["/country", VAT, "/shocks/1/size"]
    assert first.scenario.inputs["shocks"] == [{"size": 1}, {"size": 5}]
    assert len(values(sweep)) == request.size == 4


def test_number_of_seeds_begins_with_that_of_the_scenario() -> None:
    assert seeds({"seeds": 3}) == [7, 8, 9]


def test_point_is_the_scenario_with_its_values_and_nothing_else_changed() -> None:
    point = list(points(read({"parameters": {VAT: [0.1, 0.2]}, "seeds": [1]})))[1]
    by_hand = {
        **SCENARIO,
        "inputs": {**SCENARIO["inputs"], "policy_parameters": {"vat_rate": 0.2, "rebate": 0}},
        "run_options": {**SCENARIO["run_options"], "seed": 1},
    }
    assert point.number == 2
    assert point.scenario.as_json() == read_scenario(json.dumps(by_hand).encode()).as_json()


def test_object_as_a_value_takes_the_place_of_what_was_there() -> None:
    (point,) = points(read({"parameters": {"/policy_parameters": [{"vat_rate": 0.3}]}}))
    assert point.scenario.inputs["policy_parameters"] == {"vat_rate": 0.3}


def test_parameters_have_names_units_and_the_value_of_the_scenario() -> None:
    request = read({"parameters": {VAT: [0.1], "/new": [1]}, "labels": {VAT: "VAT rate"}, "units": {VAT: "share"}})
    assert [(one.label, one.unit, one.own) for one in request.parameters] == [("VAT rate", "share", 0.18), ("new", "", None)]


def test_points_are_made_one_after_another() -> None:
    sweep = {"parameters": {f"/{name}": list(range(1_000)) for name in "abc"}}
    found = points(read(sweep, max_points=10**9))
    assert next(found).number == 1


@pytest.mark.parametrize(
    "sweep",
    [
        {"seeds": 3},
        {
            "parameters": {VAT: [0.1, 0.2, 0.3], "/country": ["DR", "CR"]},
            "cases": [{"/a": 1, "/b": 2}, {"/a": 2, "/b": 3}],
            "seeds": [9, 4],
        },
        {"parameters": {VAT: [0.1, 0.2], "/country": ["DR", "CR"]}, "cases": [{"/a": 1}, {"/a": 2}], "combine": "zip"},
    ],
)
def test_point_is_found_by_its_number(sweep: dict[str, Any]) -> None:
    request = read(sweep)
    assert [point_at(request, number) for number in request.numbers] == list(points(request))


def test_pointer_to_what_is_not_there_is_noted() -> None:
    assert read({"parameters": {"/x": [1]}}).notes == ("the scenario has no input /x; it is added to the inputs",)


@pytest.mark.parametrize(
    ("sweep", "note"),
    [
        (
            {"parameters": {VAT: {"from": 0.1, "to": 0.2, "step": 0.5}}},
            f"the range of {VAT} has one value, 0.1: one step of 0.5 leads beyond 0.2",
        ),
        (
            {"cases": [{VAT: {"from": 0.1, "to": 0.2, "step": 0.1}}]},
            f"{VAT} is set to an object with from, to and step: a range takes the place of the whole list",
        ),
        (
            {"parameters": {VAT: [{"from": 0.1, "to": 0.2, "step": 0.1}]}},
            f"{VAT} is set to an object with from, to and step: a range takes the place of the whole list",
        ),
    ],
)
def test_range_that_gives_one_value_or_an_object_is_noted(sweep: dict[str, Any], note: str) -> None:
    assert read(sweep).notes == (note,)


@pytest.mark.parametrize(("last", "step"), [(0.1, 1), (0.3, 0.2)])
def test_range_of_one_number_or_one_step_is_not_noted(last: float, step: float) -> None:
    assert read({"parameters": {VAT: {"from": 0.1, "to": last, "step": step}}}).notes == ()


@pytest.mark.parametrize("pointer", ["/policy_parameters/vat_rat", "/inputs/policy_parameters/vat_rate"])
def test_pointer_that_is_nearly_that_of_an_input_is_refused(pointer: str) -> None:
    """All points would be the same run, and the charts would say that the input has no effect."""
    with pytest.raises(InvalidRequestError) as raised:
        read({"parameters": {pointer: [1]}})
    (problem,) = raised.value.problems
    assert problem.message.startswith(f"{pointer} is not an input of the scenario; did you mean /policy_parameters/vat_rate?")


@pytest.mark.parametrize("own", [{"country": "CR"}, {"policy_parameters": None}])
def test_input_that_a_step_has_of_its_own_is_noted(own: dict[str, Any]) -> None:
    sweep = {"parameters": {"/country": ["DR", "HN"], VAT: [0.1]}}
    (note,) = read(sweep, modules=[{"module": "alpha", "id": "first", "inputs": own}]).notes
    assert note.startswith("the step first has its own /")


@pytest.mark.parametrize(
    ("sweep", "pointer", "message"),
    [
        ({}, "/sweep", "varies nothing"),
        ({"parameters": {"country": [1]}}, "/sweep/parameters/country", "begins with a slash"),
        ({"parameters": {"/a": []}}, "/sweep/parameters/~1a", "no values"),
        ({"parameters": {"/a": 3}}, "/sweep/parameters/~1a", "must be a list of values, or a range"),
        ({"parameters": {"/a": {"from": 1, "to": 2}}}, "/sweep/parameters/~1a", "step is required"),
        ({"parameters": {"/a": {"from": 1, "to": 2, "stp": 1}}}, "/sweep/parameters/~1a", "did you mean 'step'?"),
        ({"parameters": {"/a": {"from": "1", "to": 2, "step": 1}}}, "/sweep/parameters/~1a", "from must be a number"),
        ({"parameters": {"/a": {"from": 1, "to": 2, "step": 0}}}, "/sweep/parameters/~1a/step", "must not be 0"),
        ({"parameters": {"/a": {"from": 1, "to": 2, "step": -1}}}, "/sweep/parameters/~1a/step", "must be above 0"),
        ({"parameters": {"/a": {"from": 1, "to": 2, "step": 1e-9}}}, "/sweep/parameters/~1a", "1,000,000,001 values"),
        ({"parameters": {"/a": {"from": 0, "to": 1, "step": 1e-300}}}, "/sweep/parameters/~1a", "more than"),
        ({"parameters": {"/a": {"from": 1, "to": 2**60, "step": 2**59}}}, "/sweep/parameters/~1a/to", "beyond 2^53"),
        ({"parameters": {"/a": [2**60]}}, "/sweep/parameters/~1a/0", "beyond 2^53"),
        ({"parameters": {"/a": [1, 2, 1.0]}}, "/sweep/parameters/~1a", "the same at 2 as at 0"),
        ({"parameters": {"/country/name": [1]}}, "/sweep/parameters/~1country~1name", "neither an object nor a list"),
        ({"parameters": {"/shocks/2/size": [1]}}, "/sweep/parameters/~1shocks~12~1size", "a list that has 2"),
        ({"parameters": {VAT: [1], "/policy_parameters": [{}]}}, "/sweep/parameters/~1policy_parameters", "overlaps"),
        ({"parameters": {"/a": [1]}, "cases": [{"/a": 2}]}, "/sweep/cases/0/~1a", "the same input"),
        ({"cases": [{"/a": 2}, {"/b": 2}]}, "/sweep/cases/1", "the same inputs as the first"),
        ({"cases": [{}]}, "/sweep/cases/0", "at least one input"),
        ({"parameters": {"/a": [1], "/b": [1, 2]}, "combine": "zip"}, "/sweep/combine", "/a has 1, /b has 2"),
        ({"parameters": {"/a": [1]}, "labels": {"/b": "x"}}, "/sweep/labels/~1b", "is not varied"),
        ({"seeds": 0}, "/sweep/seeds", "above 0"),
        ({"seeds": []}, "/sweep/seeds", "is empty"),
        ({"seeds": [4, 5, 4]}, "/sweep/seeds", "the seed 4 twice"),
        ({"seeds": [2**31]}, "/sweep/seeds", "has 2147483648 at 0, counted from 0; seeds are integers from 0 to 2147483647"),
        ({"seeds": [1, True]}, "/sweep/seeds", "has true at 1"),
        ({"seeds": [1.5]}, "/sweep/seeds", "has 1.5 at 0"),
        ({"seeds": -1}, "/sweep/seeds", "a list of seeds, which are integers from 0 to 2147483647, not -1"),
        ({"seeds": 101}, "/sweep/seeds", "101 seeds; a sweep has at most 100 points"),
        ({"parameters": {"/a": list(range(20))}, "seeds": 6}, "/sweep", "120 points; a sweep has at most 100"),
        ({"paramters": {}}, "/sweep/paramters", "did you mean 'parameters'?"),
    ],
)
def test_sweep_that_cannot_be_run_is_refused_where_it_is_wrong(sweep: dict[str, Any], pointer: str, message: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        read(sweep, max_points=100)
    (problem,) = caught.value.problems
    assert problem.pointer == pointer
    assert message in problem.message
    assert caught.value.status == 422


@pytest.mark.parametrize("change", [lambda body: body.pop("sweep"), lambda body: body.update(modules=[])])
def test_body_that_is_no_scenario_with_a_sweep_is_refused(change: Callable[[dict[str, Any]], Any]) -> None:
    body = {**SCENARIO, "sweep": {"seeds": 2}}
    change(body)
    with pytest.raises(InvalidRequestError, match="right shape"):
        read_sweep(json.dumps(body).encode())
