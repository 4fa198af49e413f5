"""What surrounds a drawing: title, unit, the mark of synthetic figures, the key to its marks, and where it comes from."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from ops_orchestrator.charts import svg
from ops_orchestrator.charts.svg import Markup, Point
from ops_orchestrator.charts.words import BOLD, shortened, width, wrapped

MARGIN: Final = 20
_TITLE_SIZE: Final = 15
_MARK_WIDTH: Final = 26
_ROW: Final = 20
_SWATCH: Final = 30
_GAP: Final = 6

Sign = Literal["line", "band", "range", "dash", "dot", "failed", "own", "here", "none"]
"""A mark that the key explains."""


@dataclass(frozen=True)
class Caption:
    """What a chart says in words: `summary` is a sentence for those who do not see it, `source` stands below it."""

    title: str
    unit: str = ""
    summary: str = ""
    source: tuple[str, ...] = ()
    is_synthetic: bool = False


@dataclass(frozen=True)
class Block:
    """Something drawn, and where it ends: the next thing goes below."""

    drawn: Markup
    bottom: float


def sheet(caption: Caption, content: Markup, size: tuple[float, float], role: Literal["img", "group"] = "img") -> str:
    """The whole file, on white ground. A `group` has parts that are read one by one, an `img` has none."""
    wide, high = size
    drawn = svg.element(
        "svg",
        svg.element("title", svg.text(caption.title)),
        svg.element("desc", svg.text(caption.summary)),
        svg.rectangle("ground", (0, 0), size),
        content,
        xmlns="http://www.w3.org/2000/svg",
        width=wide,
        height=high,
        viewBox=f"0 0 {svg.number(wide)} {svg.number(high)}",
        role=role,
        font_family=svg.SANS,
        look="ch",
    )
    return f"{drawn}\n"


def heading(caption: Caption, wide: float) -> Block:
    """Title, unit, and whether the figures are synthetic."""
    room = wide - 2 * MARGIN - (width("synthetic") + _MARK_WIDTH + MARGIN if caption.is_synthetic else 0)
    lines = wrapped(caption.title, room, _TITLE_SIZE * BOLD, 2)
    drawn = [svg.words((MARGIN, 28 + _ROW * row), line, "t") for row, line in enumerate(lines)]
    below = 28 + _ROW * (len(lines) - 1)
    if caption.unit:
        below += _ROW
        drawn.append(svg.words((MARGIN, below), shortened(caption.unit, wide - 2 * MARGIN)))
    if caption.is_synthetic:
        drawn.append(_synthetic(wide - MARGIN))
    return Block(svg.joined(drawn), below)


def footing(caption: Caption, top: float, wide: float) -> Block:
    """The lines that say where the chart comes from, and some room below."""
    lines = [line for source in caption.source for line in wrapped(source, wide - 2 * MARGIN, 12, 3)]
    drawn = [svg.words((MARGIN, top + _GAP + _ROW * (row + 1)), line) for row, line in enumerate(lines)]
    return Block(svg.joined(drawn), top + _GAP + _ROW * len(lines) + MARGIN)


def key(entries: Iterable[tuple[Sign, str]], top: float, wide: float) -> Block:
    """Each mark with its meaning, in as many rows as they need."""
    left, row, drawn = float(MARGIN), 0, []
    for sign, words in entries:
        meaning = shortened(words, wide - 2 * MARGIN - _SWATCH)
        if left > MARGIN and left + _SWATCH + width(meaning) > wide - MARGIN:
            left, row = float(MARGIN), row + 1
        middle = top + _ROW * (row + 1) - 4
        drawn += [_sign(sign, left, middle), svg.words((left + _SWATCH, middle + 4), meaning)]
        left += _SWATCH + width(meaning) + 12
    return Block(svg.joined(drawn), top + _ROW * (row + 1 if drawn else 0))


def cross(at: Point, hint: str = "", arm: float = 4) -> Markup:
    """The mark of a failed run."""
    x, y = at
    ends = f"M{svg.number(x - arm)} {svg.number(y - arm)}l{2 * arm} {2 * arm}m0 {-2 * arm}l{-2 * arm} {2 * arm}"
    return svg.path("x", ends, hint)


def _synthetic(right: float) -> Markup:
    left = right - width("synthetic") - _MARK_WIDTH
    strokes = "".join(f"M{svg.number(left + 4 * step)} 30l12 -14" for step in range(3))
    word = svg.words((left + _MARK_WIDTH, 28), "synthetic")
    return svg.joined([svg.rectangle("frame", (left, 16), (20, 14)), svg.path("hatch", strokes), word])


def _sign(sign: Sign, left: float, middle: float) -> Markup:
    center = (left + 11, middle)
    if sign == "failed":
        return cross(center)
    if sign == "dot":
        return svg.circle("dot", center, 3)
    if sign in ("line", "dash"):
        return svg.path("ln" if sign == "line" else "dash", svg.line_to([(left, middle), (left + 22, middle)]))
    if sign == "own":
        return svg.path("own", svg.line_to([(center[0], middle - 7), (center[0], middle + 7)]))
    wide = 10 if sign == "range" else 22
    look = sign if sign in ("here", "none") else "bd"
    return svg.rectangle(look, (center[0] - wide / 2, middle - 6), (wide, 12))
