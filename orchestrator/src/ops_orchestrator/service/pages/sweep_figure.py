"""One figure on the page of a sweep: its chart, and the table that the chart is a picture of."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from ops_orchestrator.charts.heat_map import HeatMap
from ops_orchestrator.charts.scale import power
from ops_orchestrator.charts.svg import Link
from ops_orchestrator.runs.sweeps import plots
from ops_orchestrator.runs.sweeps.charts import linked_chart, panel_chart
from ops_orchestrator.runs.sweeps.drawn_figure import DrawnFigure, RunsTogether
from ops_orchestrator.runs.sweeps.sides import Side
from ops_orchestrator.runs.sweeps.table import FigureColumn, SweepRow
from ops_orchestrator.service.pages.sweep_choice import Choice, name_of

_MOST_VALUES: Final = 200
_FAILED: Final = "#failed"


@dataclass(frozen=True)
class Spread:
    """What the runs at one value came to, in words; empty where there is no figure. `is_own`: the scenario's own value."""

    label: str
    address: str
    runs: int
    failed: int
    middle: str
    least: str
    most: str
    against: str
    is_own: bool


@dataclass(frozen=True)
class HeatCell:
    """A cell of the table of two parameters: the median of its runs, and its shade from 0 to 5."""

    text: str
    shade: int | None
    address: str
    failed: int
    is_own: bool


@dataclass(frozen=True)
class Heat:
    """A table of two parameters, row by row with their labels, and what each shade stands for."""

    across: Side
    down: Side
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[HeatCell]]]
    key: Sequence[str]

    @property
    def cells(self) -> list[HeatCell]:
        """All cells."""
        return [cell for _, row in self.rows for cell in row]


@dataclass(frozen=True)
class ShownFigure:
    """A figure with its chart and table, or its table of two parameters, and sentences about what is left out."""

    column: FigureColumn
    unit: str
    is_change: bool
    chart: Markup | None = None
    spreads: Sequence[Spread] = ()
    heat: Heat | None = None
    cuts: Sequence[str] = ()


@dataclass(frozen=True)
class SmallFigure:
    """A figure that is drawn small, and the address at which it is drawn large."""

    column: FigureColumn
    unit: str
    chart: Markup
    address: str


def shown_figure(figure: DrawnFigure, sides: Sequence[Side], choice: Choice) -> ShownFigure:
    """A figure against one or two parameters."""
    column = figure.table.figures[figure.index]
    if len(sides) == 2:
        heat, unit = _heat(figure, sides, choice)
        return ShownFigure(column, unit, figure.is_change, heat=heat, cuts=tuple(plots.cuts(figure, sides)))
    (side,) = sides
    places = plots.kept(len(side.labels), _MOST_VALUES, side.own_place)
    return ShownFigure(
        column,
        figure.unit,
        figure.is_change,
        chart=_drawn(linked_chart(figure, side, _links(figure))),
        spreads=tuple(_spreads(figure, side, places, choice)),
        cuts=(f"Of {len(side.labels):,} values, one in {places.step:,} has a row.",) if places.step > 1 else (),
    )


def small_figure(figure: DrawnFigure, side: Side, choice: Choice) -> SmallFigure:
    """A figure against one parameter in small."""
    column = figure.table.figures[figure.index]
    return SmallFigure(column, figure.unit, _drawn(panel_chart(figure, side)), choice.address(kpi=name_of(column)))


def runs_address(rows: Sequence[SweepRow], place: int, choice: Choice) -> str:
    """Where the runs of a place are found: the one, or the list of all; nowhere when none is over."""
    if not rows:
        return ""
    if len(rows) == 1 and rows[0].run_id:
        return f"/runs/{rows[0].run_id}"
    return f"{choice.address(at=str(place + 1))}#runs"


def _drawn(chart: str) -> Markup:
    return Markup(chart[chart.index("<svg") :])  # noqa: S704  # drawn by us, every text in it escaped


def _links(figure: DrawnFigure) -> plots.Links:
    def run(row: SweepRow) -> Link | None:
        value = figure.number(row)
        told = "" if value is None else f": {figure.text(value)}"
        return Link(f"/runs/{row.run_id}", f"seed {row.seed}{told}") if row.run_id else None

    def failed(rows: Sequence[SweepRow]) -> Link:
        alone = rows[0].run_id if len(rows) == 1 else None
        return Link(f"/runs/{alone}" if alone else _FAILED, f"{len(rows)} failed")

    return plots.Links(run, failed)


def _spreads(figure: DrawnFigure, side: Side, places: Sequence[int], choice: Choice) -> list[Spread]:
    together = figure.together(side.places, len(side.labels))
    change = DrawnFigure(figure.table, figure.index, "change")
    changes = [] if figure.is_change else change.together(side.places, len(side.labels))
    return [
        Spread(
            label=side.labels[at],
            address=runs_address([*runs.rows, *runs.failed_rows], at, choice),
            runs=len(runs.figures),
            failed=runs.failed,
            middle=_text(figure, runs.middle),
            least=_text(figure, runs.figures[0] if runs.figures else None),
            most=_text(figure, runs.figures[-1] if runs.figures else None),
            against=_text(change, changes[at].middle) if changes else "",
            is_own=at == side.own_place,
        )
        for at, runs in ((at, together[at]) for at in places)
    ]


def _text(figure: DrawnFigure, number: float | None) -> str:
    return "" if number is None else figure.text(number)


def _heat(figure: DrawnFigure, sides: Sequence[Side], choice: Choice) -> tuple[Heat, str]:
    """The cells, and the unit of their figures, which they do not repeat."""
    across, down = plots.across_and_down(sides)
    grid = plots.Grid.of(figure, across, down)
    table = plots.heat_map_of(grid, is_change=figure.is_change)

    def cell(row: int, column: int) -> HeatCell:
        is_own = (row, column) == (down.own_place, across.own_place)
        return _cell(table, grid.at(row, column), runs_address_at(grid, row, column, choice), is_own=is_own)

    rows = [(down.labels[row], [cell(row, column) for column in grid.columns]) for row in grid.rows]
    columns = [across.labels[column] for column in grid.columns]
    return Heat(across, down, columns, rows, _key(table)), " ".join(filter(None, (figure.unit, power(table.exponent))))


def runs_address_at(grid: plots.Grid, row: int, column: int, choice: Choice) -> str:
    """As `runs_address`, for a pair of values."""
    runs = grid.at(row, column)
    return runs_address([*runs.rows, *runs.failed_rows], grid.place(row, column), choice)


def _cell(table: HeatMap, runs: RunsTogether, address: str, *, is_own: bool) -> HeatCell:
    value = runs.middle
    text, shade = ("", None) if value is None else (table.value_text(value), table.shade(value))
    return HeatCell(text, shade, address, runs.failed, is_own)


def _key(table: HeatMap) -> list[str]:
    if not table.values:
        return []
    texts = list(map(table.value_text, table.bounds))
    if table.bounds[0] == table.bounds[-1]:
        return texts[:1]
    return [f"{low} to {high}" for low, high in itertools.pairwise(texts)]
