"""From the runs of a sweep to what a chart draws: groups along one parameter, or cells between two."""

from collections.abc import Iterator, Sequence
from statistics import median
from typing import Final

from ops_orchestrator.charts.heat_map import Cell, HeatMap
from ops_orchestrator.charts.plot import Group, Names, Plot
from ops_orchestrator.charts.spread import ENOUGH_FOR_QUANTILES, inner_spread, whole_spread
from ops_orchestrator.runs.sweeps.drawn_figure import DrawnFigure, RunsTogether
from ops_orchestrator.runs.sweeps.sides import Side

MOST_RUNS: Final = 2_000
"""A chart draws so many runs one by one. Median and band are those of all."""

MOST_VALUES: Final = 500
"""A chart draws so many values of one parameter."""

MOST_COLUMNS: Final = 16
MOST_ROWS: Final = 40


def plot(figure: DrawnFigure, side: Side) -> Plot:
    """A figure against one parameter."""
    runs = figure.together(side.places, len(side.labels))
    inner = all(len(each.figures) >= ENOUGH_FOR_QUANTILES for each in runs if each.figures)
    places, every = kept(len(runs), MOST_VALUES), kept(figure.count, MOST_RUNS).step
    numbers = side.numbers or (None,) * len(runs)
    return Plot(
        groups=tuple(_group(figure, runs[at], side.labels[at], numbers[at], (inner, every)) for at in places),
        parameter=side.name_and_unit,
        names=_names(figure, inner=inner, several=any(len(each.figures) > 1 for each in runs)),
        own=side.own_number if side.numbers else side.own_label,
        is_change=figure.is_change,
    )


def heat_map(figure: DrawnFigure, across: Side, down: Side) -> HeatMap:
    """A figure against two parameters: the median of the runs at each pair of values."""
    wide = len(across.labels)
    pairs = [row * wide + column for column, row in zip(across.places, down.places, strict=True)]
    runs = figure.together(pairs, wide * len(down.labels))
    columns, rows = kept(wide, MOST_COLUMNS), kept(len(down.labels), MOST_ROWS)
    return HeatMap(
        across=across.name_and_unit,
        columns=across.labels[:: columns.step],
        down=down.name_and_unit,
        rows=down.labels[:: rows.step],
        cells=tuple(tuple(_cell(runs[row * wide + column]) for column in columns) for row in rows),
        own=(across.own_label, down.own_label) if across.own_label and down.own_label else None,
        own_name="the scenario's own values",
        is_change=figure.is_change,
    )


def cuts(figure: DrawnFigure, sides: Sequence[Side]) -> Iterator[str]:
    """Sentences about what a chart leaves out."""
    limits = (MOST_VALUES,) if len(sides) == 1 else (MOST_COLUMNS, MOST_ROWS)
    for side, most in zip(sides, limits, strict=True):
        if (step := kept(len(side.labels), most).step) > 1:
            yield f"Of {len(side.labels):,} values of {side.name}, one in {step:,} is drawn."
    if len(sides) == 1 and (step := kept(figure.count, MOST_RUNS).step) > 1:
        yield f"Of {figure.count:,} runs, one in {step:,} is drawn as a point; median and band are those of all."


def kept(count: int, most: int) -> range:
    """Which of `count` things are drawn: all, or one in so many that there are at most `most`."""
    return range(0, count, max(-(-count // most), 1))


def _group(figure: DrawnFigure, runs: RunsTogether, label: str, at: float | None, how: tuple[bool, int]) -> Group:
    inner, every = how
    spread = (inner_spread if inner else whole_spread)(runs.figures) if runs.figures else None
    level = median(runs.baselines) if runs.baselines else None
    return Group(
        label=label,
        at=at,
        figures=tuple(runs.figures[::every]),
        spread=spread,
        baseline=(0.0 if spread else None) if figure.is_change else level,
        failed=runs.failed,
    )


def _cell(runs: RunsTogether) -> Cell:
    return Cell(median(runs.figures) if runs.figures else None, runs.failed)


def _names(figure: DrawnFigure, *, inner: bool, several: bool) -> Names:
    seeds = len(figure.table.seeds)
    among = "of the seeds" if several else ""
    return Names(
        middle=f"median of {seeds:,} seeds" if several else "one run for each value",
        band=f"from 5 to 95 % {among}" if inner else f"from the least to the most {among}",
        baseline="baseline" if figure.is_change or not several else "baseline, median of the seeds",
        own="the scenario's own value",
    )
