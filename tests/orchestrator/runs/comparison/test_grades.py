"""How much alike two results are, and where they differ."""

import math

import pytest

from ops_orchestrator.runs.comparison.grades import Tolerance, Tolerances, worst
from ops_orchestrator.runs.comparison.places import Limits, places_of


def test_the_worst_of_no_grades_is_identical() -> None:
    assert worst([]) == "identical"


def test_a_missing_step_is_worse_than_a_different_one() -> None:
    assert worst(["equal", "missing", "different", "identical"]) == "missing"


@pytest.mark.parametrize(
    ("tolerance", "accepted"),
    [
        (Tolerance(), False),
        (Tolerance(rel=1e-3), True),
        (Tolerance(rel=1e-5), False),
        (Tolerance(abs=0.2), True),
        (Tolerance(abs=0.01), False),
    ],
)
def test_a_tolerance_is_relative_or_absolute(tolerance: Tolerance, accepted: bool) -> None:
    assert tolerance.accepts(1000.0, 1000.1) is accepted
    assert tolerance.accepts(1000.1, 1000.0) is accepted


def test_integers_that_no_float_can_hold_are_compared_exactly() -> None:
    assert not Tolerance(rel=0.5).accepts(10**400, 10**400 + 1)


def test_the_longest_pointer_that_fits_has_the_tolerance() -> None:
    tolerances = Tolerances(Tolerance(1.0), {"/kpis": Tolerance(2.0), "/kpis/gini": Tolerance(3.0)})

    assert [tolerances.at(pointer).rel for pointer in ("/kpisX", "/kpis/gdp", "/kpis/gini/0")] == [1.0, 2.0, 3.0]


def test_a_place_has_both_values_and_the_change_between_them() -> None:
    (place,) = places_of({"rate": 0.18}, {"rate": 0.2}).listed

    assert place.as_json() == {
        "pointer": "/rate",
        "a": 0.18,
        "b": 0.2,
        "change": 0.02,
        "relative": pytest.approx(1 / 9),
    }


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ({}, {"x": None}, {"pointer": "/x", "b": None}),
        ({"x": 0}, {"x": 2}, {"pointer": "/x", "a": 0, "b": 2, "change": 2}),
        ({"x": 1}, {"x": True}, {"pointer": "/x", "a": 1, "b": True}),
        ({"x": 1.5e308}, {"x": -1.5e308}, {"pointer": "/x", "a": 1.5e308, "b": -1.5e308}),
        ({"x": "a" * 600}, {"x": 1}, {"pointer": "/x", "a": '"' + "a" * 496 + "...", "b": 1}),
    ],
)
def test_a_place_leaves_out_what_there_is_not(first: object, second: object, expected: dict[str, object]) -> None:
    (place,) = places_of(first, second).listed

    assert place.as_json() == expected


def test_what_no_tolerance_allows_is_listed_first_and_all_is_counted() -> None:
    first = {f"x{number}": 1.0 for number in range(9)} | {"z": 1.0}
    second = {name: math.nextafter(value, 2) for name, value in first.items()} | {"z": 2.0}

    found = places_of(first, second, Tolerances(Tolerance(rel=1e-9)), Limits(places=3))

    assert (found.count, found.beyond_tolerance, found.more) == (10, 1, 7)
    assert [(place.pointer, place.within_tolerance) for place in found.listed] == [("/z", False), ("/x0", True), ("/x1", True)]
