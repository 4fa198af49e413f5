"""A figure over time in up to four series, each with a colour, a stroke, a mark and a name at the end of its line."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Final

from ops_orchestrator.charts import svg
from ops_orchestrator.charts.field import Frame, left_margin
from ops_orchestrator.charts.scale import Axis, axis, inner_axis
from ops_orchestrator.charts.sheet import Caption, sheet
from ops_orchestrator.charts.svg import Markup, Point
from ops_orchestrator.charts.words import BOLD, shortened, width

LOOKS: Final = ("a", "b", "c", "d")
"""Blue, solid, circle; vermilion, dashed, square; grey, dotted, diamond; green, dash-dot, triangle."""

_WIDTH: Final = 340
_HEIGHT: Final = 214
_TOP: Final = 52
_BOTTOM: Final = 184
_MOST_TICKS: Final = 6
_MOST_LABELS: Final = 4
_MOST_MARKS: Final = 24
_NAME_GAP: Final = 13
_REACH: Final = 3.2


@dataclass(frozen=True)
class Line:
    """A series: its name, one of `LOOKS`, and a value for each period, None where it has none."""

    name: str
    look: str
    values: tuple[float | None, ...]

    @property
    def last(self) -> tuple[int, float] | None:
        """The last period with a value, and the value."""
        return next(((at, value) for at, value in reversed([*enumerate(self.values)]) if value is not None), None)


@dataclass(frozen=True)
class LineChart:
    """Series over the same periods. With a number for each period they stand along an axis, else at the same distances."""

    periods: tuple[str, ...]
    numbers: tuple[float, ...] | None
    lines: tuple[Line, ...]


def line_chart(caption: Caption, chart: LineChart) -> str:
    """The SVG of the series on one pair of axes. A chart without any value cannot be drawn."""
    values = [value for line in chart.lines for value in line.values if value is not None]
    upright = axis(values, _MOST_TICKS)
    names = max(width(line.name) for line in chart.lines)
    drawn = _Drawn(chart, Frame(left_margin(upright), _TOP, _WIDTH - names - 14, _BOTTOM), upright)
    unit = " ".join(filter(None, (caption.unit, upright.power)))
    head = [
        svg.words((0, 16), shortened(caption.title, _WIDTH, 13 * BOLD), "st"),
        svg.words((0, 34), shortened(unit, _WIDTH)),
    ]
    content = svg.joined([*head, *drawn.grid(), *drawn.lines(), *drawn.names()])
    return sheet(caption, content, (_WIDTH, _HEIGHT))


def stroke(look: str) -> str:
    """The SVG of a short piece of a line with its mark, for a key beside charts."""
    parts = (svg.path(f"l{look}", svg.line_to([(0, 6), (30, 6)])), _mark(look, (15, 6)))
    return svg.element("svg", *parts, look="ch stroke", viewBox="0 0 30 12", aria_hidden="true")


@dataclass(frozen=True)
class _Drawn:
    chart: LineChart
    frame: Frame
    upright: Axis

    def y(self, value: float) -> float:
        return self.frame.bottom - self.upright.share(value) * (self.frame.bottom - self.frame.top)

    def x(self, at: int) -> float:
        if self.chart.numbers is None or self._level is None:
            share = at / (len(self.chart.periods) - 1) if len(self.chart.periods) > 1 else 0.5
        else:
            share = self._level.share(self.chart.numbers[at])
        return self.frame.left + 6 + share * (self.frame.width - 12)

    @cached_property
    def _level(self) -> Axis | None:
        numbers = self.chart.numbers
        return inner_axis(numbers, _MOST_LABELS) if numbers is not None and len(numbers) > 1 else None

    def grid(self) -> Iterator[Markup]:
        frame = self.frame
        for tick in self.upright.ticks:
            y = self.y(tick.value)
            yield svg.path("gr", svg.line_to([(frame.left, y), (frame.right, y)]))
            yield svg.words((frame.left - 6, y + 4), tick.label, anchor="end")
        yield svg.path("ax", svg.line_to([(frame.left, frame.bottom), (frame.right, frame.bottom)]))
        for at in self._labelled():
            label = shortened(self.chart.periods[at], frame.width / 3)
            reach = width(label) / 2
            x = min(max(self.x(at), frame.left - 8 + reach), _WIDTH - reach)
            yield svg.words((x, frame.bottom + 18), label, anchor="middle")

    def _labelled(self) -> list[int]:
        """The first, the last, and the middle period."""
        last = len(self.chart.periods) - 1
        return sorted({0, last // 2, last} if last > 1 else {0, last})

    def lines(self) -> Iterator[Markup]:
        # The solid line first: what lies on it is seen between its dashes.
        for line in self.chart.lines:
            for stretch in self._stretches(line):
                if len(stretch) > 1:
                    yield svg.path(f"l{line.look}", svg.line_to(stretch))
            for point in self._marked(line):
                yield _mark(line.look, point)

    def _stretches(self, line: Line) -> Iterator[list[Point]]:
        """A line does not pass over a period without a value."""
        for is_there, stretch in groupby(enumerate(line.values), key=lambda found: found[1] is not None):
            if is_there:
                yield [(self.x(at), self.y(value)) for at, value in stretch if value is not None]

    def _marked(self, line: Line) -> Iterator[Point]:
        stride = -(-len(line.values) // _MOST_MARKS)
        for stretch in self._stretches(line):
            yield from stretch[::stride]
            if stretch and (len(stretch) - 1) % stride:
                yield stretch[-1]

    def names(self) -> Iterator[Markup]:
        """The name of each line at its end; none touches another."""
        ends = [(self.y(line.last[1]) + 4, line.name) for line in self.chart.lines if line.last]
        for y, name in _apart(sorted(ends), self.frame.top, self.frame.bottom + 4):
            yield svg.words((self.frame.right + 6, y), name, "lab")


def _apart(labels: Sequence[tuple[float, str]], top: float, bottom: float) -> list[tuple[float, str]]:
    """Labels by their height with room between them, as near as that allows to where they belong."""
    placed: list[tuple[float, str]] = []
    for y, name in labels:
        placed.append((max(y, placed[-1][0] + _NAME_GAP) if placed else max(y, top + 4), name))
    limit = bottom
    for at, (y, name) in reversed([*enumerate(placed)]):
        placed[at] = (min(y, limit), name)
        limit = placed[at][0] - _NAME_GAP
    return placed


def _mark(look: str, at: Point) -> Markup:
    """The shape of a series around a point."""
    (x, y), reach = at, _REACH
    match look:
        case "a":
            return svg.circle("ma", at, reach)
        case "b":
            return svg.rectangle("mb", (x - reach, y - reach), (2 * reach, 2 * reach))
        case "c":
            reach *= 1.3
            return svg.path("mc", svg.line_to([(x, y - reach), (x + reach, y), (x, y + reach), (x - reach, y)]) + "z")
        case _:
            reach *= 1.2
            return svg.path("md", svg.line_to([(x, y - reach), (x + reach, y + reach), (x - reach, y + reach)]) + "z")
