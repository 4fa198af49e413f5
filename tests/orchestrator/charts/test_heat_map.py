"""A figure against two parameters: a table that can be read without its colours."""

from dataclasses import replace
from typing import Any

import pytest
from drawn_chart import SVG, DrawnChart, points

from ops_orchestrator.charts.heat_map import Cell, HeatMap, heat_map
from ops_orchestrator.charts.sheet import Caption

TABLE = HeatMap(
    across="vat_rate",
    columns=("0.14", "0.18", "0.22"),
    down="transfers",
    rows=("0.03", "0.04"),
    cells=((Cell(44.13), Cell(38.91), Cell(34.0)), (Cell(48.8, failed=2), Cell(None, failed=3), Cell(None))),
    own=("0.18", "0.03"),
)


def drawn(table: HeatMap = TABLE, **caption: Any) -> DrawnChart:
    return DrawnChart.read(heat_map(Caption(**{"title": "Public debt", "unit": "% of GDP", **caption}), table))


def rows(chart: DrawnChart) -> list[list[str]]:
    """The table as it is read aloud: the text of each cell, row by row."""
    (table,) = chart.root.findall(f"{SVG}g[@role='table']")
    return [[text.text or "" for text in row.iter(f"{SVG}text")] for row in table.findall(f"{SVG}g[@role='row']")]


def test_heat_map_is_a_table_with_a_figure_in_each_cell() -> None:
    assert rows(drawn()) == [
        ["transfers ↓", "0.14", "0.18", "0.22"],
        ["0.03", "44.1", "38.9", "34.0"],
        ["0.04", "48.8", "failed", "\N{EN DASH}"],
    ]


def test_parts_of_the_table_have_their_roles() -> None:
    roles = [element.get("role") for element in drawn().root.iter() if element.get("role")]
    assert [roles.count(role) for role in ("columnheader", "rowheader", "cell")] == [4, 2, 6]


def test_shades_follow_the_figures_and_the_key_says_which() -> None:
    shades = {text.content: text.look for text in drawn().texts if text.look.startswith("on")}
    assert shades == {"34.0": "on0", "38.9": "on1", "44.1": "on4", "48.8": "on5"}
    assert {"34.0 to 36.5", "46.3 to 48.8"} <= set(drawn().words)


def test_failed_runs_are_marked_in_their_cells() -> None:
    hints = ["".join(mark.itertext()) for mark in drawn().marks("x")]
    assert hints == ["2 failed", "3 failed", ""]  # the last is in the key
    assert {"failed runs, left out", "no figure"} <= set(drawn().words)


def test_mark_of_failed_runs_leaves_the_figure_legible() -> None:
    cells = ((Cell(-0.00234, failed=1), Cell(0.001), Cell(0.004)),) * 2
    chart = drawn(replace(TABLE, cells=cells, is_change=True))
    mark, figure = chart.marks("x")[0], next(text for text in chart.texts if text.look.startswith("on"))
    assert points(mark)[0][0] + 6 < figure.left


def test_cell_of_the_values_that_nobody_changed_is_outlined() -> None:
    assert len(drawn().marks("here")) == 2  # one is in the key
    assert not drawn(replace(TABLE, own=("0.2", "0.03"))).marks("here")


def test_equal_figures_have_one_shade() -> None:
    table = replace(TABLE, cells=((Cell(5.0),) * 3,) * 2)
    assert len(drawn(table).marks("q0")) == 7
    assert drawn(table).words.count("5.00") == 7


def test_changes_have_their_sign_and_large_figures_a_power_of_ten() -> None:
    cells = ((Cell(-2.5e9), Cell(0.0), Cell(7.5e9)),) * 2
    chart = drawn(replace(TABLE, cells=cells, is_change=True))
    assert rows(chart)[1][1:] == ["\N{MINUS SIGN}2.5", "0.0", "+7.5"]
    assert "% of GDP \N{MULTIPLICATION SIGN} 10⁹" in chart.words


@pytest.mark.parametrize(
    "table",
    [
        TABLE,
        replace(TABLE, cells=((Cell(None, failed=1),) * 3,) * 2),
        replace(TABLE, cells=((Cell(-1.7e308), Cell(1.7e308), Cell(5e-324)),) * 2),
        replace(TABLE, columns=("acumulado para el gobierno",) * 3, rows=("a very long name of a row, too long " * 3, "0.04")),
        replace(TABLE, across="a long name of a parameter " * 5, down="another long name of a parameter " * 5),
        HeatMap("x", tuple(map(str, range(16))), "y", ("1",), (tuple(Cell(1234.5 * at) for at in range(16)),)),
    ],
    ids=["usual", "failed", "extreme", "long labels", "long names", "wide"],
)
def test_no_text_lies_over_another_one(table: HeatMap) -> None:
    assert not drawn(table, title="A figure with a long name " * 8, unit="% of GDP", is_synthetic=True).overlaps()
