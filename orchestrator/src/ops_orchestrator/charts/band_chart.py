"""One figure against one parameter: median and band over the runs at each value."""

from collections.abc import Iterator
from typing import Final

from ops_orchestrator.charts import svg
from ops_orchestrator.charts.field import Field, Frame, left_margin, upright_axis
from ops_orchestrator.charts.marks import drawn_field
from ops_orchestrator.charts.plot import Plot
from ops_orchestrator.charts.sheet import MARGIN, Caption, footing, heading, key, sheet
from ops_orchestrator.charts.svg import Markup
from ops_orchestrator.charts.words import shortened, width

_WIDTH: Final = 760
_FIELD_HEIGHT: Final = 280
_END_GAP: Final = 15


def band_chart(caption: Caption, plot: Plot) -> str:
    """The SVG of a plot with its words. A plot without groups cannot be drawn."""
    upright = upright_axis(plot)
    named = " ".join(filter(None, (caption.unit, upright.power)))
    head = heading(Caption(caption.title, named, is_synthetic=caption.is_synthetic), _WIDTH)
    ends = max((width(name) for name, _ in _ends(plot)), default=0)
    frame = Frame(
        MARGIN + left_margin(upright), head.bottom + 28, _WIDTH - MARGIN - ends - 10, head.bottom + 28 + _FIELD_HEIGHT
    )
    field = Field(plot, frame, upright)
    below = [_end_labels(field), _parameter(field)]
    signs = key(plot.key(with_runs=True), frame.bottom + 52, _WIDTH)
    foot = footing(caption, signs.bottom, _WIDTH)
    content = svg.joined([head.drawn, drawn_field(field), *below, signs.drawn, foot.drawn])
    return sheet(caption, content, (_WIDTH, foot.bottom), role="group" if plot.has_links else "img")


def _parameter(field: Field) -> Markup:
    frame = field.frame
    name = shortened(" ".join(filter(None, (field.plot.parameter, field.power))), frame.width)
    return svg.words(((frame.left + frame.right) / 2, frame.bottom + 40), name, "lab", anchor="middle")


def _ends(plot: Plot) -> Iterator[tuple[str, float]]:
    """The names that stand at the right end of lines, and the figures there."""
    if not plot.is_numeric:
        return
    last = plot.groups[-1]
    if last.spread:
        yield "median" if plot.has_band else "", last.spread.middle
    if last.baseline is not None:
        yield "baseline", last.baseline


def _end_labels(field: Field) -> Markup:
    labels = [(field.y(value) + 4, name) for name, value in _ends(field.plot) if name]
    if len(labels) == 2 and abs(labels[0][0] - labels[1][0]) < _END_GAP:
        middle, order = (labels[0][0] + labels[1][0]) / 2, 1 if labels[0][0] > labels[1][0] else -1
        labels = [(middle + order * side * _END_GAP / 2, name) for side, (_, name) in zip((1, -1), labels, strict=True)]
    x = field.frame.right + 8
    return svg.joined(svg.words((x, y), name, "lab" if name == "median" else "soft") for y, name in labels)
