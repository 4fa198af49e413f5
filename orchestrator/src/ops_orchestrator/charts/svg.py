"""The elements of an SVG drawing as escaped text. What is drawn is looked up in one table of looks."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Final, NewType

from ops_orchestrator.charts.words import visible

Markup = NewType("Markup", str)
"""Text that is SVG already. Everything else is escaped."""

Point = tuple[float, float]
"""A place on the sheet, from its left and from its top."""


@dataclass(frozen=True)
class Link:
    """Where a mark leads, and what it is called for those who do not see it."""

    address: str
    name: str


SANS: Final = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'Liberation Sans', Arial, 'DejaVu Sans', sans-serif"

BLUE: Final = "#0072b2"
VERMILION: Final = "#d55e00"
GREY: Final = "#6b7280"
GREEN: Final = "#009e73"
INK: Final = "#1f2937"
SOFT: Final = "#556070"
PAPER: Final = "#ffffff"
SHADES: Final = ("#eef4f8", "#c9dfec", "#94c1dc", "#559bc4", "#1b6fa3", "#0b466c")
"""One hue from light to dark, for heat maps."""

INK_ON_SHADES: Final = ("#17212b", "#17212b", "#17212b", "#08131b", "#ffffff", "#ffffff")

# Attributes make a file readable alone. A page that has the drawing among its own elements outdoes them by the class, and so
# can have other colours in the dark and on paper.
_LINE: Final = {"fill": "none", "stroke-width": "2.2", "stroke-linejoin": "round"}
_LOOKS: Final[Mapping[str, Mapping[str, str]]] = {
    "ground": {"fill": PAPER},
    "gr": {"stroke": "#e5e7eb"},
    "ax": {"stroke": GREY},
    "own": {"stroke": GREY, "stroke-dasharray": "2 3"},
    "bd": {"fill": BLUE, "fill-opacity": "0.15"},
    "ln": {"fill": "none", "stroke": BLUE, "stroke-width": "2.2", "stroke-linejoin": "round"},
    "dash": {"fill": "none", "stroke": GREY, "stroke-width": "1.6", "stroke-dasharray": "6 3"},
    "pt": {"fill": BLUE},
    "la": {**_LINE, "stroke": BLUE},
    "lb": {**_LINE, "stroke": VERMILION, "stroke-dasharray": "8 3"},
    "lc": {**_LINE, "stroke": GREY, "stroke-dasharray": "2 3"},
    "ld": {**_LINE, "stroke": GREEN, "stroke-dasharray": "8 3 2 3"},
    "ma": {"fill": BLUE},
    "mb": {"fill": VERMILION},
    "mc": {"fill": GREY},
    "md": {"fill": GREEN},
    "dot": {"fill": PAPER, "stroke": BLUE, "stroke-width": "1.2", "opacity": "0.8"},
    "many": {"fill": PAPER, "stroke": BLUE, "stroke-width": "1", "opacity": "0.4"},
    "x": {"fill": "none", "stroke": "#a6211a", "stroke-width": "2"},
    "hatch": {"fill": "none", "stroke": "#8a6d1f", "stroke-opacity": "0.6"},
    "frame": {"fill": "none", "stroke": "#d3d9e0"},
    "here": {"fill": "none", "stroke": VERMILION, "stroke-width": "2.5"},
    "none": {"fill": "#f5f7f9"},
    **{f"q{step}": {"fill": shade} for step, shade in enumerate(SHADES)},
    "t": {"fill": INK, "font-size": "15", "font-weight": "600"},
    "st": {"fill": INK, "font-size": "13", "font-weight": "600"},
    "th": {"fill": INK, "font-size": "12", "font-weight": "600"},
    "lab": {"fill": INK, "font-size": "12"},
    "soft": {"fill": SOFT, "font-size": "12"},
    **{f"on{step}": {"fill": ink, "font-size": "13"} for step, ink in enumerate(INK_ON_SHADES)},
}


def number(value: float) -> str:
    """A coordinate to a tenth of a pixel, in as few characters as it needs."""
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def element(name: str, *content: Markup, look: str = "", **attributes: str | float) -> Markup:
    """An element. Underscores in names of attributes are hyphens, so that `text_anchor` is a keyword."""
    named = {key.replace("_", "-"): value for key, value in attributes.items()}
    every = {"class": look, **named, **_LOOKS.get(look, {})} if look else named
    start = name + "".join([f' {key}="{_written(value)}"' for key, value in every.items()])
    return Markup(f"<{start}>{''.join(content)}</{name}>" if content else f"<{start}/>")


def _written(value: str | float) -> str:
    return escape(visible(value)) if isinstance(value, str) else number(value)


def text(content: str) -> Markup:
    """`content` as text, whatever it is."""
    return Markup(escape(visible(content), quote=False))


def words(at: Point, content: str, look: str = "soft", anchor: str = "start", role: str = "") -> Markup:
    """A line of text; its direction changes nothing around it."""
    placed = {} if anchor == "start" else {"text_anchor": anchor}
    read = {"role": role} if role else {}
    return element("text", text(content), look=look, x=at[0], y=at[1], **placed, **read, unicode_bidi="isolate")


def path(look: str, data: str, hint: str = "") -> Markup:
    """A path, with a hint where a pointer rests on it."""
    return element("path", *_hints(hint), look=look, d=data)


def circle(look: str, at: Point, radius: float) -> Markup:
    """A circle around a point."""
    return element("circle", look=look, cx=at[0], cy=at[1], r=radius)


def rectangle(look: str, corner: Point, size: tuple[float, float]) -> Markup:
    """A rectangle by its upper left corner, its width and its height."""
    return element("rect", look=look, x=corner[0], y=corner[1], width=size[0], height=size[1])


def linked(link: Link | None, mark: Markup) -> Markup:
    """A mark that leads somewhere. The keyboard passes over it: a table beside the chart has the same links."""
    if link is None:
        return mark
    return element("a", mark, href=link.address, tabindex="-1", aria_label=link.name)


def line_to(points: Iterable[Point]) -> str:
    """Path data that joins the points."""
    return "M" + " ".join(f"{number(x)} {number(y)}" for x, y in points)


def joined(parts: Iterable[Markup]) -> Markup:
    """Several elements, one after the other."""
    return Markup("".join(parts))


def _hints(hint: str) -> tuple[Markup, ...]:
    return (element("title", text(hint)),) if hint else ()
