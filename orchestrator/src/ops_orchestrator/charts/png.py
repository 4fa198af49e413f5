"""Charts as PNG, where the extra `charts` is installed."""

import logging
from functools import cache
from importlib.util import find_spec
from typing import Any, Final

_PIXELS_PER_UNIT: Final = 2
"""Sharp on paper at half a page's width, and on screens of double density."""

_DIGIT: Final = '<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20"><text y="15">{}</text></svg>'
_NO_FONT: Final = "No PNG is drawn: this machine has no font. Install one, such as DejaVu Sans; the SVG files are complete."


def png_is_installed() -> bool:
    """Is the library there that draws PNG?"""
    return find_spec("pyvips") is not None


@cache
def why_not_png() -> str:
    """A sentence for people when this machine cannot draw text, "" when it can. Needs the library."""
    # Without a font, all characters are the same box.
    return "" if png(_DIGIT.format(0)) != png(_DIGIT.format(1)) else _NO_FONT


def png(drawn: str) -> bytes:
    """The PNG of an SVG text, two pixels for each of its units. Needs the library; blocks, other threads go on."""
    from pyvips import Image  # noqa: PLC0415 - an extra, which takes tens of megabytes of memory once it is loaded

    # It tells the log of each picture how many threads drew it.
    logging.getLogger("pyvips").setLevel(logging.WARNING)
    image: Any = Image.svgload_buffer(drawn.encode(), scale=_PIXELS_PER_UNIT)
    encoded: bytes = image.pngsave_buffer(keep=0)
    return encoded
