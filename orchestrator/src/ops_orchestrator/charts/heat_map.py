"""One figure against two parameters: a table with the figure in each cell, shaded by its size."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Final

from ops_orchestrator.charts import svg
from ops_orchestrator.charts.scale import common_exponent, exact, power, telling_decimals, written
from ops_orchestrator.charts.sheet import MARGIN, Block, Caption, Sign, cross, footing, heading, key, sheet
from ops_orchestrator.charts.svg import Markup, Point
from ops_orchestrator.charts.words import BOLD, shortened, width

_CELL_HEIGHT: Final = 32
_LEAST_CELL_WIDTH: Final = 72
_MOST_LABEL_WIDTH: Final = 190
_GAP: Final = 2
_ROOM_FOR_CROSS: Final = 32
_LEAST_WIDTH: Final = 540
_NO_FIGURE: Final = "\N{EN DASH}"


@dataclass(frozen=True)
class Cell:
    """The figure of the runs at a pair of values: None where none has one, because they failed or are not over."""

    value: float | None
    failed: int = 0


@dataclass(frozen=True)
class HeatMap:
    """A table of cells, row by row, between the values of a parameter `across` and those of another `down`.

    `own` is the column and the row whose values nobody changed.
    """

    across: str
    columns: tuple[str, ...]
    down: str
    rows: tuple[str, ...]
    cells: tuple[tuple[Cell, ...], ...]
    own: tuple[str, str] | None = None
    own_name: str = "in the scenario"
    is_change: bool = False

    def value_text(self, value: float) -> str:
        """A figure with as many decimals as all others."""
        return written(exact(value).scaleb(-self.exponent), self._decimals, signed=self.is_change)

    @cached_property
    def values(self) -> list[float]:
        """The figures of all cells that have one."""
        return [cell.value for row in self.cells for cell in row if cell.value is not None]

    @cached_property
    def exponent(self) -> int:
        """The power of ten of which figures are written as multiples."""
        return common_exponent(self.values)

    @cached_property
    def _decimals(self) -> int:
        return telling_decimals(float(exact(value).scaleb(-self.exponent)) for value in self.values) if self.values else 0

    @cached_property
    def bounds(self) -> list[float]:
        """The figures at which a shade begins, and the largest one."""
        low, high = exact(min(self.values, default=0)), exact(max(self.values, default=0))
        if low == high:
            return [float(low), float(high)]
        steps = len(svg.SHADES)
        return [float(low + (high - low) * step / steps) for step in range(steps)] + [float(high)]

    def shade(self, value: float) -> int:
        """The number of the shade of a figure, 0 for the lightest."""
        return max((step for step, bound in enumerate(self.bounds[:-1]) if value >= bound), default=0)


@dataclass(frozen=True)
class _Layout:
    """How large the parts of the table are, and where its first cell is."""

    labels: float
    cell: float
    top: float

    @property
    def left(self) -> float:
        return MARGIN + self.labels + 10

    def corner(self, column: int, row: int) -> Point:
        return (self.left + column * self.cell, self.top + row * _CELL_HEIGHT)


def heat_map(caption: Caption, table: HeatMap) -> str:
    """The SVG of a table of figures. Those who do not see it read it cell by cell."""
    columns = _Layout(_label_width(table), _cell_width(table), top=0)
    wide = max(columns.corner(len(table.columns), 0)[0] + MARGIN, _LEAST_WIDTH)
    named = " ".join(filter(None, (caption.unit, power(table.exponent))))
    head = heading(Caption(caption.title, named, is_synthetic=caption.is_synthetic), wide)
    layout = replace(columns, top=head.bottom + 60)
    across = _with_arrow(table.across, "→", layout.cell * len(table.columns))
    above = svg.words((layout.left, layout.top - 30), across, "lab")
    drawn = svg.element("g", *_rows(table, layout), role="table", aria_label=f"{caption.title}, {across}")
    shades = _shades(table, layout.corner(0, len(table.rows))[1] + 10, wide)
    signs = key(_signs(table), shades.bottom, wide)
    foot = footing(caption, signs.bottom, wide)
    content = svg.joined([head.drawn, above, drawn, shades.drawn, signs.drawn, foot.drawn])
    return sheet(caption, content, (wide, foot.bottom), role="group")


def _cell_width(table: HeatMap) -> float:
    figures = (width(table.value_text(value), 13) + _ROOM_FOR_CROSS for value in table.values)
    return max(_LEAST_CELL_WIDTH, *figures, *(_heading_width(label) + 12 for label in _cut(table.columns)))


def _label_width(table: HeatMap) -> float:
    return max(*(_heading_width(label) for label in _cut(table.rows)), min(width(f"{table.down} ↓"), _MOST_LABEL_WIDTH))


def _cut(labels: tuple[str, ...]) -> list[str]:
    return [shortened(label, _MOST_LABEL_WIDTH, 12 * BOLD) for label in labels]


def _heading_width(label: str) -> float:
    return width(label, 12 * BOLD)


def _with_arrow(name: str, arrow: str, most: float) -> str:
    return f"{shortened(name, most - width(f' {arrow}'))} {arrow}"


def _rows(table: HeatMap, layout: _Layout) -> Iterator[Markup]:
    right = layout.left - 10
    down = _with_arrow(table.down, "↓", layout.labels + 10)
    names = [
        svg.words((layout.corner(column, 0)[0] + layout.cell - 12, layout.top - 10), label, "th", "end", "columnheader")
        for column, label in enumerate(_cut(table.columns))
    ]
    yield svg.element("g", svg.words((right, layout.top - 10), down, "lab", "end", "columnheader"), *names, role="row")
    for row, (label, cells) in enumerate(zip(_cut(table.rows), table.cells, strict=True)):
        name = svg.words((right, layout.corner(0, row)[1] + 20), label, "th", "end", "rowheader")
        drawn = [_cell(table, layout, (column, row), cell) for column, cell in enumerate(cells)]
        yield svg.element("g", name, *drawn, role="row")


def _cell(table: HeatMap, layout: _Layout, place: tuple[int, int], cell: Cell) -> Markup:
    left, top = layout.corner(*place)
    size = (layout.cell - _GAP, _CELL_HEIGHT - _GAP)
    shade = None if cell.value is None else table.shade(cell.value)
    parts = [svg.rectangle("none" if shade is None else f"q{shade}", (left, top), size)]
    if cell.failed:
        parts.append(cross((left + 9, top + 9), f"{cell.failed} failed", 3))
    text = table.value_text(cell.value) if cell.value is not None else "failed" if cell.failed else _NO_FIGURE
    parts.append(svg.words((left + layout.cell - 12, top + 20), text, "soft" if shade is None else f"on{shade}", "end"))
    if table.own == (table.columns[place[0]], table.rows[place[1]]):
        parts.append(svg.rectangle("here", (left + 1.5, top + 1.5), (size[0] - 3, size[1] - 3)))
    return svg.element("g", *parts, role="cell")


def _shades(table: HeatMap, top: float, wide: float) -> Block:
    """Which figures have which shade."""
    if not table.values:
        return Block(svg.joined(()), top)
    bounds = [table.value_text(bound) for bound in table.bounds]
    texts = [f"{low} to {high}" for low, high in pairwise(bounds)] if table.bounds[0] < table.bounds[-1] else bounds[:1]
    drawn, left = [], float(MARGIN)
    for shade, text in enumerate(texts):
        if left > MARGIN and left + 24 + width(text) > wide - MARGIN:
            left, top = float(MARGIN), top + 20
        drawn += [svg.rectangle(f"q{shade}", (left, top + 5), (16, 12)), svg.words((left + 22, top + 16), text)]
        left += 22 + width(text) + 12
    return Block(svg.joined(drawn), top + 20)


def _signs(table: HeatMap) -> Iterator[tuple[Sign, str]]:
    if table.own and table.own[0] in table.columns and table.own[1] in table.rows:
        yield "here", table.own_name
    if any(cell.failed for row in table.cells for cell in row):
        yield "failed", "failed runs, left out"
    if any(cell.value is None and not cell.failed for row in table.cells for cell in row):
        yield "none", "no figure"
