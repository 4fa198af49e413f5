"""Several figures against the same parameter, each in a small chart of its own."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ops_orchestrator.charts import svg
from ops_orchestrator.charts.field import Field, Frame, left_margin, upright_axis
from ops_orchestrator.charts.marks import drawn_field
from ops_orchestrator.charts.plot import Plot
from ops_orchestrator.charts.scale import Axis
from ops_orchestrator.charts.sheet import MARGIN, Caption, Sign, footing, heading, key, sheet
from ops_orchestrator.charts.svg import Markup
from ops_orchestrator.charts.words import BOLD, shortened

_COLUMNS: Final = 3
_PANEL: Final = (290, 214)
_GAP: Final = 30
_FIELD: Final = (48, 172)
_ALONE: Final = (18, 142)
_LEAST_WIDTH: Final = 540


@dataclass(frozen=True)
class Panel:
    """One of the charts: its title, its unit, and what it shows."""

    title: str
    unit: str
    plot: Plot


def small_multiples(caption: Caption, panels: Sequence[Panel]) -> str:
    """The SVG of the panels, three in a row. All show the same groups, so one key explains them."""
    columns = min(len(panels), _COLUMNS)
    wide = max(2 * MARGIN + columns * _PANEL[0] + (columns - 1) * _GAP, _LEAST_WIDTH)
    head = heading(caption, wide)
    top = head.bottom + 18
    bottom = top + -(-len(panels) // columns) * _PANEL[1]
    signs = key(_signs(panels), bottom - 6, wide)
    foot = footing(caption, signs.bottom, wide)
    content = svg.joined([head.drawn, *_drawn(panels, top), signs.drawn, foot.drawn])
    return sheet(caption, content, (wide, foot.bottom))


def small_chart(caption: Caption, plot: Plot) -> str:
    """The SVG of one panel alone, for pages, which have its title and its unit as text beside it."""
    upright = upright_axis(plot, 5)
    frame = Frame(left_margin(upright), _ALONE[0], _PANEL[0] - 8, _ALONE[1])
    power = svg.words((0, 12), upright.power) if upright.power else svg.joined(())
    return sheet(
        caption, svg.joined([power, drawn_field(Field(plot, frame, upright, is_small=True))]), (_PANEL[0], _ALONE[1] + 26)
    )


def _drawn(panels: Sequence[Panel], top: float) -> Iterator[Markup]:
    axes = [upright_axis(panel.plot, 5) for panel in panels]
    margin = max(map(left_margin, axes))
    for index, (panel, upright) in enumerate(zip(panels, axes, strict=True)):
        row, column = divmod(index, _COLUMNS)
        corner = (MARGIN + column * (_PANEL[0] + _GAP), top + row * _PANEL[1])
        yield _panel(panel, upright, corner, margin)


def _panel(panel: Panel, upright: Axis, corner: svg.Point, margin: float) -> Markup:
    left, top = corner
    frame = Frame(left + margin, top + _FIELD[0], left + _PANEL[0] - 8, top + _FIELD[1])
    unit = " ".join(filter(None, (panel.unit, upright.power)))
    return svg.joined(
        [
            svg.words((left, top + 14), shortened(panel.title, _PANEL[0], 13 * BOLD), "st"),
            svg.words((left, top + 31), shortened(unit, _PANEL[0])),
            drawn_field(Field(panel.plot, frame, upright, is_small=True)),
        ]
    )


def _signs(panels: Sequence[Panel]) -> list[tuple[Sign, str]]:
    every = {sign: meaning for panel in panels for sign, meaning in panel.plot.key(with_runs=False)}
    if any(panel.plot.own is not None for panel in panels):
        every["own"] = panels[0].plot.names.own
    return list(every.items())
