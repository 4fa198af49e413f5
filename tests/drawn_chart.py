"""A chart as its reader sees it: the texts with the room they take, and the marks where they stand."""

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import combinations
from pathlib import Path

import matplotlib as mpl
from PIL import ImageFont

SVG = "{http://www.w3.org/2000/svg}"
# The widest of the fonts that a chart asks for.
_FONTS = Path(mpl.get_data_path()) / "fonts" / "ttf"


@dataclass(frozen=True)
class Text:
    """A line of text and the box that it fills when it is set in a wide font."""

    content: str
    look: str
    left: float
    right: float
    y: float
    size: float

    @property
    def middle(self) -> float:
        return (self.left + self.right) / 2

    def overlaps(self, other: "Text") -> bool:
        apart = self.right <= other.left or other.right <= self.left
        return not apart and abs(self.y - other.y) < 0.8 * min(self.size, other.size)


@dataclass(frozen=True)
class DrawnChart:
    """An SVG file that has been read."""

    root: ET.Element

    @classmethod
    def read(cls, drawn: str) -> "DrawnChart":
        return cls(ET.fromstring(drawn.encode()))  # noqa: S314 - our own output

    @cached_property
    def texts(self) -> list[Text]:
        return [_text(element) for element in self.root.iter(f"{SVG}text")]

    @property
    def words(self) -> list[str]:
        """The content of all texts."""
        return [text.content for text in self.texts]

    @property
    def size(self) -> tuple[float, float]:
        return float(self.root.attrib["width"]), float(self.root.attrib["height"])

    def marks(self, look: str) -> list[ET.Element]:
        """The elements with a look, without those of the key below the chart."""
        return [element for element in self.root.iter() if element.get("class") == look]

    def text(self, content: str) -> Text:
        """The one text that says `content`."""
        (found,) = [text for text in self.texts if text.content == content]
        return found

    def vertices(self, look: str) -> list[list[tuple[float, float]]]:
        """The points of all paths with a look, in the units of the axes."""
        return [[(self._x(x), self._y(y)) for x, y in points(path)] for path in self.marks(look) if "d" in path.attrib]

    def overlaps(self) -> list[tuple[str, str]]:
        """Pairs of texts that lie over each other, and texts that lie beyond the sheet."""
        pairs = [(a.content, b.content) for a, b in combinations(self.texts, 2) if a.overlaps(b)]
        beyond = [(text.content, "the edge") for text in self.texts if text.left < 0 or text.right > self.size[0]]
        return pairs + beyond

    @cached_property
    def _axes(self) -> tuple[tuple[float, float, float, float], tuple[float, float, float, float]]:
        """Of two labels at each axis, their places and their numbers."""
        upright = [(points(line)[0][1], text) for line in self.marks("gr") for text in self.texts if _beside(line, text)]
        bottom = max(y for y, _ in upright)
        along = [text for text in self.texts if text.y == bottom + 18]
        first, last = upright[0], upright[-1]
        return (
            (first[0], number(first[1].content), last[0], number(last[1].content)),
            (along[0].middle, number(along[0].content), along[-1].middle, number(along[-1].content)),
        )

    def _y(self, y: float) -> float:
        return _between(y, *self._axes[0])

    def _x(self, x: float) -> float:
        return _between(x, *self._axes[1])


def points(path: ET.Element) -> list[tuple[float, float]]:
    """The points of a path of straight lines, or of a cross."""
    numbers = [float(text) for text in re.findall(r"-?[\d.]+", path.attrib["d"])]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def number(label: str) -> float:
    """The number that a label at an axis says."""
    return float(label.replace("\N{MINUS SIGN}", "-").replace(",", ""))


def _between(place: float, first: float, first_number: float, last: float, last_number: float) -> float:
    return first_number + (place - first) / (last - first) * (last_number - first_number)


def _beside(line: ET.Element, text: Text) -> bool:
    (left, y), _ = points(line)
    return abs(text.y - 4 - y) < 0.2 and abs(text.right - left + 8) < 0.2


def _text(element: ET.Element) -> Text:
    content, size, x = "".join(element.itertext()), float(element.attrib["font-size"]), float(element.attrib["x"])
    wide = _font(bold="font-weight" in element.attrib).getlength(content) * size / 100
    left = {"start": x, "middle": x - wide / 2, "end": x - wide}[element.get("text-anchor", "start")]
    return Text(content, element.attrib["class"], left, left + wide, float(element.attrib["y"]), size)


@lru_cache(maxsize=2)
def _font(*, bold: bool) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(_FONTS / f"DejaVuSans{'-Bold' if bold else ''}.ttf"), 100)
