"""`POST /report` of the legacy service: paragraphs set on one page of A4.

Lines are broken by the widths of the font, because a page that runs over its margin looks broken, and a page ends where it is
full. Lengths are in points.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont
from matplotlib.ft2font import FT2Font, LoadFlags
from matplotlib.lines import Line2D

from ops_stubs.drawing import BLUE, GREY, INK, pdf
from ops_stubs.errors import BareError

__all__ = ["Line", "draw", "lay_out"]

_WIDTH: Final = 595.3
_HEIGHT: Final = 841.9
_MARGIN: Final = 68.0
_TOP: Final = 770.0
_BOTTOM: Final = 76.0
_TITLE_LINES: Final = 3
# More than a page holds, so that a megabyte of text need not be measured.
_LONGEST: Final = 20_000
_NOTE: Final = "Synthetic: set by a stub of OpenPolicyStack from the text that it was sent. Decide nothing on it."
_CUT: Final = "The rest does not fit on this page."


@dataclass(frozen=True)
class Line:
    """A line of text from the left margin; `y` counts from the lower edge of the page to the baseline."""

    text: str
    y: float
    size: float
    colour: str = INK
    weight: str = "normal"
    style: str = "normal"


def draw(body: Mapping[str, Any]) -> bytes:
    """A PDF of one page with `title` and `paragraphs`; equal texts give equal bytes. Raises BareError 500 without either."""
    title, given = body.get("title"), body.get("paragraphs")
    if not isinstance(title, str) or not isinstance(given, list) or not all(isinstance(text, str) for text in given):
        raise BareError(500, "title or paragraphs are missing")
    heading = _clean(title)
    paragraphs = [text for text in map(_clean, given) if text]
    if not heading or not paragraphs:
        raise BareError(500, "title or paragraphs are empty")
    return pdf(_painter(lay_out(heading, paragraphs)), width=_WIDTH / 72, height=_HEIGHT / 72, title=heading)


def lay_out(title: str, paragraphs: Iterable[str]) -> list[Line]:
    """Every line of title and text, from the top; what is too long for the page ends with a sentence that says so."""
    y = _TOP - 12
    lines = []
    for text in _shortened(itertools.islice(_broken(title, 20, "bold"), _TITLE_LINES + 1)):
        y -= 27
        lines.append(Line(text, y, 20, weight="bold"))
    y -= 12
    for paragraph in paragraphs:
        y -= 9
        for text in _broken(paragraph, 10.5, "normal"):
            y -= 16.5
            if y < _BOTTOM:
                return [*lines[:-1], Line(_CUT, lines[-1].y, 10.5, GREY, style="italic")]
            lines.append(Line(text, y, 10.5))
    return lines


def _painter(lines: Iterable[Line]) -> Callable[[Figure], None]:
    framed = (
        Line("POLICY REPORT, SYNTHETIC", _TOP, 8.5, BLUE, "bold"),
        *lines,
        Line(_NOTE, 40, 8.5, GREY, style="italic"),
    )

    def paint(figure: Figure) -> None:
        for y, colour, width in ((_TOP + 18, BLUE, 2.5), (57, "#D1D5DB", 0.8)):
            ends = (_MARGIN / _WIDTH, 1 - _MARGIN / _WIDTH)
            figure.add_artist(Line2D(ends, (y / _HEIGHT, y / _HEIGHT), color=colour, linewidth=width))
        for line in framed:
            figure.text(
                _MARGIN / _WIDTH,
                line.y / _HEIGHT,
                line.text,
                fontsize=line.size,
                color=line.colour,
                fontweight=line.weight,
                fontstyle=line.style,
                va="baseline",
                # A dollar sign is a price here, not the beginning of a formula.
                parse_math=False,
            )

    return paint


def _clean(text: str) -> str:
    """One line of what the font can show."""
    line = "".join(char for char in text[:_LONGEST] if char.isprintable() or char.isspace())
    drawable = _drawable()
    return "".join(char if char in drawable else "\N{REPLACEMENT CHARACTER}" for char in " ".join(line.split()))


def _shortened(heading: Iterable[str]) -> list[str]:
    lines = list(heading)
    if len(lines) <= _TITLE_LINES:
        return lines
    last = lines[_TITLE_LINES - 1]
    return [*lines[: _TITLE_LINES - 1], f"{last.rpartition(' ')[0] or last[:-3]} \N{HORIZONTAL ELLIPSIS}"]


def _broken(text: str, size: float, weight: str) -> Iterator[str]:
    """`text` in lines that end before the margin."""
    room = (_WIDTH - 2 * _MARGIN) / size
    line, filled = "", 0.0
    for piece, width in _pieces(text, room, weight):
        gap = _width_of(" ", weight) if line else 0.0
        if line and filled + gap + width > room:
            yield line
            line, filled, gap = "", 0.0, 0.0
        line = f"{line} {piece}" if line else piece
        filled += gap + width
    if line:
        yield line


def _pieces(text: str, room: float, weight: str) -> Iterator[tuple[str, float]]:
    """The words of `text` and how wide they are; one wider than a line comes in parts."""
    for word in text.split(" "):
        piece, filled = "", 0.0
        for char in word:
            width = _width_of(char, weight)
            if piece and filled + width > room:
                yield piece, filled
                piece, filled = "", 0.0
            piece += char
            filled += width
        yield piece, filled


@cache
def _drawable() -> frozenset[str]:
    """The characters of both faces."""
    return frozenset(map(chr, _face("normal").get_charmap().keys() & _face("bold").get_charmap().keys()))


@cache
def _width_of(char: str, weight: str) -> float:
    """How far a character moves the pen, as a share of the size of the font."""
    face = _face(weight)
    return face.load_char(ord(char), LoadFlags.NO_SCALE).horiAdvance / face.units_per_EM


@cache
def _face(weight: str) -> FT2Font:
    return FT2Font(findfont(FontProperties(family="DejaVu Sans", weight=weight)))
