"""From the runs of a sweep to what a chart draws: groups along one parameter, or cells between two."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from ops_orchestrator.charts.heat_map import Cell, HeatMap
from ops_orchestrator.charts.plot import Group, Names, Plot
from ops_orchestrator.charts.spread import ENOUGH_FOR_QUANTILES, inner_spread, whole_spread
from ops_orchestrator.charts.svg import Link
from ops_orchestrator.runs.sweeps.drawn_figure import DrawnFigure, RunsTogether
from ops_orchestrator.runs.sweeps.sides import Side
from ops_orchestrator.runs.sweeps.table import SweepRow

MOST_RUNS: Final = 2_000
"""A chart draws so many runs one by one. Median and band are those of all."""

MOST_VALUES: Final = 500
"""A chart draws so many values of one parameter."""

MOST_LINKED: Final = 500
"""A chart whose points lead to their runs draws so many of them: each takes as much room as twenty that do not."""

MOST_VALUES_IN_SMALL: Final = 100
"""A small chart has room for so many."""

MOST_COLUMNS: Final = 16
MOST_ROWS: Final = 40


@dataclass(frozen=True)
class Links:
    """Where the marks of runs lead: that of a run, and that of several failed ones; None leads nowhere."""

    run: Callable[[SweepRow], Link | None]
    failed: Callable[[Sequence[SweepRow]], Link | None]


@dataclass(frozen=True)
class Grid:
    """The runs at each pair of values of two parameters, and those of the columns and rows that there is room for."""

    across: Side
    down: Side
    runs: Sequence[RunsTogether]

    @classmethod
    def of(cls, figure: DrawnFigure, across: Side, down: Side) -> "Grid":
        """The runs of a figure."""
        return cls(across, down, figure.together(pairs_of(across, down), len(across.labels) * len(down.labels)))

    @property
    def columns(self) -> range:
        """The values across that are drawn."""
        return kept(len(self.across.labels), MOST_COLUMNS, self.across.own_place)

    @property
    def rows(self) -> range:
        """The values down that are drawn."""
        return kept(len(self.down.labels), MOST_ROWS, self.down.own_place)

    def place(self, row: int, column: int) -> int:
        """The place of a pair of values."""
        return row * len(self.across.labels) + column

    def at(self, row: int, column: int) -> RunsTogether:
        """The runs at a pair of values."""
        return self.runs[self.place(row, column)]


def plot(figure: DrawnFigure, side: Side, links: Links | None = None, most_values: int = MOST_VALUES) -> Plot:
    """A figure against one parameter, whose marks lead where `links` says."""
    runs = figure.together(side.places, len(side.labels))
    inner = all(len(each.figures) >= ENOUGH_FOR_QUANTILES for each in runs if each.figures)
    places, every = kept(len(runs), most_values), kept(figure.count, MOST_LINKED if links else MOST_RUNS).step
    numbers = side.numbers or (None,) * len(runs)
    return Plot(
        groups=tuple(_group(figure, runs[at], (side.labels[at], numbers[at]), (inner, every), links) for at in places),
        parameter=side.name_and_unit,
        names=_names(figure, inner=inner, several=any(len(each.figures) > 1 for each in runs)),
        own=side.own_number if side.numbers else side.own_label,
        is_change=figure.is_change,
    )


def heat_map(figure: DrawnFigure, across: Side, down: Side) -> HeatMap:
    """A figure against two parameters: the median of the runs at each pair of values."""
    return heat_map_of(Grid.of(figure, across, down), is_change=figure.is_change)


def heat_map_of(grid: Grid, *, is_change: bool) -> HeatMap:
    """The medians of the runs in a grid."""
    across, down = grid.across, grid.down
    return HeatMap(
        across=across.name_and_unit,
        columns=tuple(across.labels[column] for column in grid.columns),
        down=down.name_and_unit,
        rows=tuple(down.labels[row] for row in grid.rows),
        cells=tuple(tuple(_cell(grid.at(row, column)) for column in grid.columns) for row in grid.rows),
        own=(across.own_label, down.own_label) if across.own_label and down.own_label else None,
        own_name="the scenario's own values",
        is_change=is_change,
    )


def across_and_down(sides: Sequence[Side]) -> tuple[Side, Side]:
    """Which of two parameters goes across: rows have room for long labels, and paper for many rows."""
    across, down = sorted(sides, key=lambda side: len(side.labels))
    return across, down


def pairs_of(across: Side, down: Side) -> list[int]:
    """For each row of the table, the place of its pair of values."""
    return [row * len(across.labels) + column for column, row in zip(across.places, down.places, strict=True)]


def cuts(figure: DrawnFigure, sides: Sequence[Side], most_runs: int = MOST_RUNS) -> Iterator[str]:
    """Sentences about what a chart leaves out."""
    limits = (MOST_VALUES,) if len(sides) == 1 else (MOST_COLUMNS, MOST_ROWS)
    drawn = sides if len(sides) == 1 else across_and_down(sides)
    for side, most in zip(drawn, limits, strict=True):
        if (step := kept(len(side.labels), most).step) > 1:
            yield f"Of {len(side.labels):,} values of {side.name}, one in {step:,} is drawn."
    if len(sides) == 1 and (step := kept(figure.count, most_runs).step) > 1:
        yield f"Of {figure.count:,} runs, one in {step:,} is drawn as a point; median and band are those of all."


def kept(count: int, most: int, own: int | None = None) -> range:
    """Which of `count` things are drawn: all, or one in so many that there are at most `most`, with `own` among them."""
    step = max(-(-count // most), 1)
    return range((own or 0) % step, count, step)


def _group(
    figure: DrawnFigure, runs: RunsTogether, named: tuple[str, float | None], how: tuple[bool, int], links: Links | None
) -> Group:
    (label, at), (inner, every) = named, how
    spread = (inner_spread if inner else whole_spread)(runs.figures) if runs.figures else None
    level = median(runs.baselines) if runs.baselines else None
    return Group(
        label=label,
        at=at,
        figures=tuple(runs.figures[::every]),
        spread=spread,
        baseline=(0.0 if spread else None) if figure.is_change else level,
        failed=runs.failed,
        links=tuple(map(links.run, runs.rows[::every])) if links else (),
        failed_link=links.failed(runs.failed_rows) if links and runs.failed_rows else None,
    )


def _cell(runs: RunsTogether) -> Cell:
    return Cell(runs.middle, runs.failed)


def _names(figure: DrawnFigure, *, inner: bool, several: bool) -> Names:
    seeds = len(figure.table.seeds)
    among = "of the seeds" if several else ""
    return Names(
        middle=f"median of {seeds:,} seeds" if several else "one run for each value",
        band=f"from 5 to 95 % {among}" if inner else f"from the least to the most {among}",
        baseline="baseline" if figure.is_change or not several else "baseline, median of the seeds",
        own="the scenario's own value",
    )
