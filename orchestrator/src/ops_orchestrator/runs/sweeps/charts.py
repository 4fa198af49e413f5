"""The charts of a sweep as files: each figure as it is and against its baseline, and all figures together."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain, count
from typing import Final

from ops_orchestrator.charts.band_chart import band_chart
from ops_orchestrator.charts.heat_map import HeatMap, heat_map
from ops_orchestrator.charts.plot import Plot
from ops_orchestrator.charts.png import png, png_is_installed, why_not_png
from ops_orchestrator.charts.sheet import Caption
from ops_orchestrator.charts.small_multiples import Panel, small_chart, small_multiples
from ops_orchestrator.runs.sweeps import plots
from ops_orchestrator.runs.sweeps.drawn_figure import DrawnFigure
from ops_orchestrator.runs.sweeps.sides import Side, sides_of
from ops_orchestrator.runs.sweeps.table import FigureColumn, SweepTable

MOST_FIGURES: Final = 12
"""So many figures of a sweep are drawn."""

_LONGEST_NAME: Final = 60
# Drawing leaves the interpreter to others, and its library uses one processor for each picture.
_THREADS: Final = 2
_ALL: Final = "all-figures"
_CHANGE: Final = "-change"
# Of many values some are left out, which may be all those that have the figure.
_NOTHING_DRAWN: Final = "no run has it at the values that are drawn."


@dataclass(frozen=True)
class SweepCharts:
    """The charts of a sweep as SVG by the name of their file, and sentences about what is not drawn."""

    files: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def sweep_charts(table: SweepTable) -> SweepCharts:
    """Draw the figures of a sweep; it may still have pending points, which are counted."""
    if not table.rows or not table.figures:
        return SweepCharts(notes=("No chart is drawn: no run has a figure.",))
    sides = sides_of(table)
    if len(sides) > 2:
        names = ", ".join(side.name for side in sides)
        return SweepCharts(notes=(f"No chart is drawn: {len(sides)} parameters change independently ({names}).",))
    more = len(table.figures) - MOST_FIGURES
    notes = (f"The first {MOST_FIGURES} of {len(table.figures):,} figures are drawn.",) if more > 0 else ()
    return SweepCharts(dict(_files(table, sides)), notes)


def write_charts(write: Callable[[str, Iterable[bytes]], None], table: SweepTable) -> tuple[str, ...]:
    """Draw the figures of a sweep and `write` each file, also as PNG where that can be drawn; returns the notes. Blocks."""
    charts = sweep_charts(table)
    draws_png = bool(charts.files) and png_is_installed()
    why_not = why_not_png() if draws_png else ""
    for name, drawn in charts.files.items():
        write(name, [drawn.encode()])
    if draws_png and not why_not:
        with ThreadPoolExecutor(_THREADS) as pool:
            for name, picture in zip(charts.files, pool.map(png, charts.files.values()), strict=True):
                write(f"{name.removesuffix('.svg')}.png", [picture])
    return (*charts.notes, why_not) if why_not else charts.notes


def figure_chart(figure: DrawnFigure, sides: Sequence[Side]) -> str:
    """One figure against one or two parameters."""
    if len(sides) == 1:
        return linked_chart(figure, sides[0])
    across, down = plots.across_and_down(sides)
    table = plots.heat_map(figure, across, down)
    return heat_map(_caption(figure, sides, _extent(figure, table)), table)


def linked_chart(figure: DrawnFigure, side: Side, links: plots.Links | None = None) -> str:
    """One figure against one parameter, whose marks lead where `links` says."""
    plot = plots.plot(figure, side, links)
    most = plots.MOST_LINKED if links else plots.MOST_RUNS
    return band_chart(_caption(figure, [side], _course(figure, plot), most), plot)


def panel_chart(figure: DrawnFigure, side: Side) -> str:
    """One figure in small, without its title and its unit."""
    plot = plots.plot(figure, side, most_values=plots.MOST_VALUES_IN_SMALL)
    return small_chart(_caption(figure, [side], _course(figure, plot)), plot)


def file_names(columns: Sequence[FigureColumn]) -> list[str]:
    """A name for the files of each figure that every file system takes: the key, with the step where keys repeat."""
    names: list[str] = []
    taken = {_ALL}
    for column in columns:
        repeats = sum(column.key == other.key for other in columns) > 1
        plain = _plain(f"{column.step}-{column.key}" if repeats else column.key)
        free = (name for name in chain((plain,), (f"{plain}-{number}" for number in count(2))))
        name = next(name for name in free if taken.isdisjoint({name, f"{name}{_CHANGE}"}))
        taken |= {name, f"{name}{_CHANGE}"}
        names.append(name)
    return names


def _plain(key: str) -> str:
    return re.sub(r"[^a-z0-9_]+", "-", key.lower()).strip("-")[:_LONGEST_NAME] or "figure"


def _files(table: SweepTable, sides: Sequence[Side]) -> Iterator[tuple[str, str]]:
    columns = table.figures[:MOST_FIGURES]
    levels = [DrawnFigure(table, index) for index in range(len(columns))]
    for name, level in zip(file_names(columns), levels, strict=True):
        change = DrawnFigure(table, level.index, "change")
        if level.count:
            yield f"{name}.svg", figure_chart(level, sides)
        if change.count:
            yield f"{name}{_CHANGE}.svg", figure_chart(change, sides)
    drawn = [level for level in levels if level.count]
    if len(drawn) > 1 and len(sides) == 1:
        yield f"{_ALL}.svg", _together(drawn, sides[0])


def _together(figures: Sequence[DrawnFigure], side: Side) -> str:
    panels = [Panel(figure.label, figure.unit, plots.plot(figure, side)) for figure in figures]
    courses = [f"{figure.label}: {_course(figure, panel.plot)}" for figure, panel in zip(figures, panels, strict=True)]
    caption = Caption(
        title=f"{len(panels)} figures by {side.name}",
        unit=f"across: {side.name_and_unit}",
        summary=" ".join(courses),
        source=(_source(figures[0].table), *plots.cuts(figures[0], [side])),
        is_synthetic=any(figure.is_synthetic for figure in figures),
    )
    return small_multiples(caption, panels)


def _caption(figure: DrawnFigure, sides: Sequence[Side], findings: str, most_runs: int = plots.MOST_RUNS) -> Caption:
    table = figure.table
    title = f"{figure.label} by {' and '.join(side.name for side in sides)}"
    change = "change from the baseline" if figure.is_change else ""
    of_seeds = f"median of {len(table.seeds):,} seeds" if len(sides) > 1 and len(table.seeds) > 1 else ""
    return Caption(
        title=title,
        unit=", ".join(filter(None, (change, figure.unit, of_seeds))),
        summary=f"{', '.join(filter(None, (title, change)))}: {findings} The file table.csv has every figure.",
        source=(_source(table), *plots.cuts(figure, sides, most_runs)),
        is_synthetic=figure.is_synthetic,
    )


def _course(figure: DrawnFigure, plot: Plot) -> str:
    """How a figure moves along a parameter, from the first value to the last."""
    if not any(group.spread for group in plot.groups):
        return _NOTHING_DRAWN
    ends = [(group.label, figure.text(group.spread.middle)) for group in plot.groups if group.spread]
    (first, begin), (last, end) = ends[0], ends[-1]
    return f"{plot.names.middle} from {begin} at {first} to {end} at {last}."


def _extent(figure: DrawnFigure, table: HeatMap) -> str:
    if not table.values:
        return _NOTHING_DRAWN
    size = f"{len(table.columns)} by {len(table.rows)} cells"
    return f"{size} from {figure.text(min(table.values))} to {figure.text(max(table.values))}."


def _source(table: SweepTable) -> str:
    states = [row.status for row in table.rows]
    failed, pending = sum(row.has_failed for row in table.rows), states.count("pending")
    parts = [f"{len(states):,} runs", f"{failed:,} failed" if failed else "", f"{pending:,} not over" if pending else ""]
    return f"{table.sweep_id}: {', '.join(filter(None, parts))}"
