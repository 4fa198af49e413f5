"""Key figures: one convention for headline figures, and what is wrong with those that do not follow it (OPS-FIG-001)."""

from typing import Any

import pytest

from ops_contract import MAX_PROBLEMS, key_figure_problems

ONE: dict[str, Any] = {"kpis": {"risk": 41.5}, "units": {"risk": "points"}, "labels": {"risk": "Risk"}}
COMPARED: dict[str, Any] = ONE | {"baseline": {"risk": 40}, "change": {"risk": 1.5}}


@pytest.mark.parametrize(
    "outputs",
    [
        {},
        {"kpis": {}, "units": "none"},
        {"path": "/not/a/series"},
        ONE,
        COMPARED,
        ONE | {"units": {"risk": ""}, "other": {"kpis": 1}},
        ONE | {"directions": {"risk": "lower"}},
        ONE | {"path": []},
        ONE | {"path": [{"year": 2026, "risk": 1}, {"period": "2026-Q1", "values": {}}]},
    ],
)
def test_figures_that_follow_the_convention_have_no_problem(outputs: dict[str, Any]) -> None:
    assert key_figure_problems(outputs) == ()


@pytest.mark.parametrize(
    ("outputs", "pointer"),
    [
        ({"kpis": [41.5]}, "/kpis"),
        ({"kpis": None}, "/kpis"),
        ({**ONE, "kpis": {"risk": "41.5"}}, "/kpis/risk"),
        ({**ONE, "kpis": {"risk": True}}, "/kpis/risk"),
        ({**ONE, "kpis": {"risk": None}}, "/kpis/risk"),
        ({"kpis": ONE["kpis"], "labels": ONE["labels"]}, "/units"),
        ({"kpis": ONE["kpis"], "units": ONE["units"]}, "/labels"),
        (ONE | {"units": "points"}, "/units"),
        (ONE | {"labels": {}}, "/labels/risk"),
        (ONE | {"labels": {"risk": " "}}, "/labels/risk"),
        (ONE | {"units": {"risk": "points", "a/b": "share"}}, "/units/a~1b"),
        (ONE | {"baseline": {"risk": 40}}, "/change"),
        (ONE | {"change": {"risk": 1.5}}, "/baseline"),
        (COMPARED | {"change": {"risk": "+1.5"}}, "/change/risk"),
        (COMPARED | {"baseline": {}}, "/baseline/risk"),
        (ONE | {"directions": "lower"}, "/directions"),
        (ONE | {"directions": {"risk": "up"}}, "/directions/risk"),
        (ONE | {"directions": {"gdp": "higher"}}, "/directions/gdp"),
        (ONE | {"path": {"2026": 1}}, "/path"),
        (ONE | {"path": [{"year": 2026}, {"risk": 1}]}, "/path/1"),
        (ONE | {"path": [{"year": None}]}, "/path/0"),
    ],
)
def test_what_breaks_the_convention_is_named_by_its_place(outputs: dict[str, Any], pointer: str) -> None:
    assert [problem.pointer for problem in key_figure_problems(outputs)] == [pointer]


def test_a_hundred_thousand_wrong_figures_give_a_short_answer() -> None:
    assert len(key_figure_problems({"kpis": dict.fromkeys(map(str, range(100_000)), "x")})) == MAX_PROBLEMS
