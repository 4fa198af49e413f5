"""Headline figures as text, from what modules send and from what they should not send."""

from typing import Any

import pytest

from ops_orchestrator.runs.figures import MOST_FIGURES, Figure, FigureValue, figure_values, headline_figures


def only(value: Any, unit: Any = None, **others: Any) -> Figure:
    """The figure of outputs with one key figure `k`."""
    compared = {name: {"k": other} for name, other in others.items()}
    (figure,) = headline_figures({"kpis": {"k": value}, "units": {"k": unit}, **compared}).listed
    return figure


def test_share_is_shown_as_per_cent_and_its_change_in_percentage_points() -> None:
    figure = only(0.042315, "share_of_gdp", labels="Deficit", baseline=0.045, change=-0.002685)
    assert figure == Figure("Deficit", "4.23 %", "-0.27 pp", "4.50 %", "of gdp")


def test_change_is_computed_where_only_the_baseline_is_given() -> None:
    figure = only(1500, "jobs", baseline=1200.5)
    assert (figure.value, figure.change, figure.baseline, figure.unit) == ("1,500", "+299.5", "1,200", "jobs")


def test_figure_without_unit_label_and_baseline_has_its_key_and_value() -> None:
    assert headline_figures({"kpis": {"growth": 0.0213}}).listed == (Figure("growth", "0.0213", "", "", ""),)


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (1234567.891, None, "1,234,568"),
        (12345678901, None, "12,345,678,901"),
        (4.5, None, "4.5"),
        (103.25, "index_2025", "103.2"),
        (0.0, None, "0"),
        (-0.0, None, "0"),
        (-0.0, "share", "0.00 %"),
        (1e-12, None, "1e-12"),
        (1e-12, "share", "1e-10 %"),
        (1.5e300, None, "1.5e+300"),
        (1e308, "share", "infinite %"),
        (10**400, None, "more than 1.8e308"),
        (-(10**400), "share", "less than -1.8e308 %"),
        (float("nan"), None, "not a number"),
        (float("-inf"), None, "-infinite"),
        (True, None, "yes"),
        (None, "share", "no value"),
        ("high", "share", "high"),
        ({"a": 1}, None, "an object"),
        ([1, 2], None, "an array"),
        ("x" * 1000, None, "x" * 57 + "..."),
        (1, 7, "1"),
    ],
)
def test_any_value_is_written_for_people(value: Any, unit: Any, expected: str) -> None:
    assert only(value, unit).value == expected


@pytest.mark.parametrize("change", ["up", None, True, [], {}])
def test_change_that_is_not_a_number_is_left_out(change: Any) -> None:
    assert only(1, change=change).change == ""


@pytest.mark.parametrize(
    ("change", "expected"), [(0, "0"), (-0.0, "0"), (3, "+3"), (-3, "-3"), (-(10**400), "less than -1.8e308")]
)
def test_change_has_a_sign_unless_it_is_nothing(change: Any, expected: str) -> None:
    assert only(1, change=change).change == expected


@pytest.mark.parametrize("kpis", [[1, 2], "high", 7, None])
def test_key_figures_that_are_not_an_object_are_none(kpis: Any) -> None:
    assert headline_figures({"kpis": kpis}).listed == ()


@pytest.mark.parametrize("name", ["units", "labels", "baseline", "change", "directions"])
def test_company_of_the_figures_may_be_anything(name: str) -> None:
    assert headline_figures({"kpis": {"k": 1}, name: ["k"]}).listed == (Figure("k", "1", "", "", ""),)


def test_thousands_of_figures_are_counted() -> None:
    figures = headline_figures({"kpis": {f"k{number}": number for number in range(5000)}})
    assert (len(figures.listed), figures.more) == (MOST_FIGURES, 5000 - MOST_FIGURES)


def test_values_are_read_with_all_that_the_module_says_of_them() -> None:
    outputs = {
        "kpis": {"risk": 41.5, "grade": "B"},
        "units": {"risk": "points"},
        "labels": {"risk": "Overall risk"},
        "baseline": {"risk": 40},
        "directions": {"risk": "lower", "grade": "sideways"},
    }
    risk, grade = figure_values(outputs)
    assert risk == FigureValue("risk", "Overall risk", 41.5, "points", baseline=40, change=1.5, direction="lower")
    assert (grade, grade.number) == (FigureValue("grade", "grade", "B"), None)
