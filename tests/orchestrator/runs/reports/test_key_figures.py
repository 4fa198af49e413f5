"""The table of key figures: digits that can be read down a column."""

from typing import Any

import pytest

from ops_orchestrator.runs.record import StepResults
from ops_orchestrator.runs.reports.html.figures import FigureTable, figure_table
from ops_orchestrator.runs.reports.html.room import Room

MINUS = "\N{MINUS SIGN}"


def table(units: str, **figures: tuple[Any, Any]) -> FigureTable:
    """The table of figures in one unit, each a value and its baseline."""
    outputs = {
        "kpis": {key: value for key, (value, _) in figures.items()},
        "baseline": {key: baseline for key, (_, baseline) in figures.items()},
        "units": dict.fromkeys(figures, units),
    }
    answered = StepResults(module="alpha", outputs=outputs, artifacts=[], evidence=[], warnings=[])
    return figure_table("alpha", answered, Room(100), inherits=False)


def test_figures_of_one_unit_and_their_changes_have_as_many_decimals() -> None:
    rows = table("points", energy=(64.4, 68), climate=(72, 71.25)).rows
    assert [(row.value, row.change, row.baseline) for row in rows] == [
        ("64.40", f"{MINUS}3.60", "68.00"),
        ("72.00", "+0.75", "71.25"),
    ]


def test_change_has_no_digits_that_its_figure_lacks() -> None:
    (row,) = table("0 (equal) to 1", gini=(0.390697, 0.39)).rows
    assert (row.value, row.change, row.baseline) == ("0.3907", "+0.0007", "0.3900")


@pytest.mark.parametrize(
    ("figure", "expected"),
    [
        ((72, 71), ("72", "+1", "71")),
        ((1500, 1200.5), ("1,500", "+299.5", "1,200")),
        ((1_234_567.8, 0.0123), ("1,234,568", "+1,234,568", "0.0123")),
        ((0.3907, 1e-12), ("0.3907", "+0.3907", f"1e{MINUS}12")),
    ],
)
def test_whole_numbers_and_numbers_of_different_sizes_keep_their_own_digits(
    figure: tuple[Any, Any], expected: tuple[str, str, str]
) -> None:
    (row,) = table("people", people=figure).rows
    assert (row.value, row.change, row.baseline) == expected
