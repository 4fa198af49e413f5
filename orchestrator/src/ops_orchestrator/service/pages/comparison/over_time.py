"""Series over time of several runs on shared axes, and the table of which each chart is a picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from ops_orchestrator.charts.line_chart import LOOKS, Line, LineChart, line_chart
from ops_orchestrator.charts.sheet import Caption
from ops_orchestrator.charts.words import typeset
from ops_orchestrator.runs.comparison.sides import Side
from ops_orchestrator.runs.scale import Scale, scaled
from ops_orchestrator.runs.series_comparison import ComparedSeries, SeriesComparison, number_of

MOST_SERIES: Final = 24
"""So many series are drawn; the rest is in its file."""

MOST_PERIODS: Final = 60
"""So many periods of a series are in the table on the page."""


@dataclass(frozen=True)
class DrawnSeries:
    """A chart, and its table: by period the value of each run. `more` counts the periods that are not in the table.

    The chart is empty where no value is one that an axis can hold.
    """

    series: ComparedSeries
    unit: str
    chart: Markup
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    more: int


@dataclass(frozen=True)
class OverTime:
    """The series that are drawn, and how many more there are."""

    drawn: tuple[DrawnSeries, ...]
    more: int


def over_time(found: SeriesComparison, sides: Sequence[Side]) -> OverTime:
    """The first series of all steps."""
    listed = found.series[:MOST_SERIES]
    return OverTime(tuple(_drawn(series, sides) for series in listed), len(found.series) - len(listed) + found.more)


def _drawn(series: ComparedSeries, sides: Sequence[Side]) -> DrawnSeries:
    scale = Scale.of(series.unit)
    numbers = [number_of(period) for period in series.periods]
    known = tuple(number for number in numbers if number is not None)
    lines = [
        Line(side.name, LOOKS[ord(side.name) - ord("A")], tuple(scaled(value, scale.factor) for value in values))
        for side, values in zip(sides, series.values, strict=True)
    ]
    # Letters and looks belong to runs; a solid line lies below the others.
    in_order = tuple(sorted(lines, key=lambda line: line.name))
    chart = LineChart(series.periods, known if len(known) == len(numbers) else None, in_order)
    caption = Caption(series.label, scale.whole_unit, _summary(series, sides, scale), is_synthetic=series.synthetic)
    rows = tuple(
        (period, tuple(_text(value, scale) for value in values))
        for period, *values in zip(series.periods[:MOST_PERIODS], *series.values, strict=False)
    )
    more = max(len(series.periods) - MOST_PERIODS, 0)
    has_values = any(value is not None for line in lines for value in line.values)
    drawn = Markup(line_chart(caption, chart) if has_values else "")  # noqa: S704  # escaped there
    return DrawnSeries(series, scale.whole_unit, drawn, rows, more)


def _summary(series: ComparedSeries, sides: Sequence[Side], scale: Scale) -> str:
    """First and last value of each run, for those who do not see the chart."""
    return "; ".join(_ends(side.name, series, values, scale) for side, values in zip(sides, series.values, strict=True)) + "."


def _ends(name: str, series: ComparedSeries, values: Sequence[float | None], scale: Scale) -> str:
    there = [at for at, value in enumerate(values) if value is not None]
    if not there:
        return f"{name} has no value"
    first, last = (f"{_text(values[at], scale)} in {series.periods[at]}" for at in (there[0], there[-1]))
    return f"{name} {first}" if len(there) == 1 else f"{name} from {first} to {last}"


def _text(value: float | None, scale: Scale) -> str:
    return "" if value is None else typeset(scale.value(value))
