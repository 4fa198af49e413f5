"""Texts in a drawing: made harmless, estimated in width, and cut or wrapped to fit."""

import unicodedata
from collections.abc import Iterator
from typing import Final

BOLD: Final = 1.12
"""Bold text is so many times as wide; multiply the font size by it."""

_NARROW: Final = frozenset("iljtfrI.,:;|'!()[]{}/\\ -`\"")
_WIDE: Final = frozenset("mwMW@%—…")
_NARROW_NO_BREAK_SPACE: Final = "\u202f"
# Each of them changes the direction or the lines of the text around it, which is ours.
_UNRULY: Final = frozenset("\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufffe\uffff")


def visible(text: str) -> str:
    """`text` with control characters as symbols, so that it stays on its line and in its direction, and XML can hold it."""
    if text.isascii() and text.isprintable():
        return text  # as most are: a chart has a thousand numbers
    return "".join(_symbol(char) for char in text)


def typeset(number: str) -> str:
    """A number and its unit as they are printed: a real minus, and a space that is narrow and does not break."""
    return number.replace("-", "\N{MINUS SIGN}").replace(" ", _NARROW_NO_BREAK_SPACE)


def width(text: str, size: float = 12) -> float:
    """About how wide `text` is at a font size, at the upper end of the common fonts without serifs."""
    return sum(_advance(char) for char in text) * size


def shortened(text: str, most: float, size: float = 12) -> str:
    """`text`, or as much of its beginning as fits with an ellipsis."""
    if width(text, size) <= most:
        return text
    room = most - width("…", size)
    kept = []
    for char in text:
        room -= _advance(char) * size
        if room < 0:
            break
        kept.append(char)
    return "".join(kept).rstrip() + "…"


def wrapped(text: str, most: float, size: float, lines: int) -> list[str]:
    """`text` in at most so many lines, broken between words; the last line is cut where there is more."""
    broken = list(_lines(text, most, size))
    if len(broken) > lines:
        broken[lines - 1 :] = [" ".join(broken[lines - 1 :])]
    return [shortened(line, most, size) for line in broken]


def _lines(text: str, most: float, size: float) -> Iterator[str]:
    line = ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if line and width(longer, size) > most:
            yield line
            line = word
        else:
            line = longer
    if line:
        yield line


def _symbol(char: str) -> str:
    code = ord(char)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\N{SYMBOL FOR DELETE}"
    if char in _UNRULY or unicodedata.category(char) in ("Cc", "Cs"):
        return "\N{REPLACEMENT CHARACTER}"
    return char


def _advance(char: str) -> float:
    """The width of a character in ems, as in DejaVu Sans, which is the widest of the fonts that we ask for."""
    if unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    if char in _NARROW:
        return 0.4
    if char in _WIDE or unicodedata.east_asian_width(char) in ("W", "F"):
        return 1
    return 0.72 if char.isupper() else 0.64
