"""Which of several media types a caller prefers: the header Accept (RFC 9110, 12.5.1)."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

_WEIGHT: Final = re.compile(r"[ \t]*q[ \t]*=[ \t]*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)[ \t]*", re.IGNORECASE | re.ASCII)


def preferred(accept: Iterable[str], offered: Sequence[str]) -> str:
    """The media type of `offered` that the values of Accept prefer; the first of those preferred alike, or refused alike.

    Parameters of a media type other than its weight do not count.
    """
    weights: dict[str, float] = {}
    for item in ",".join(accept).split(","):
        media_range, *parameters = item.split(";")
        found = [match[1] for match in map(_WEIGHT.fullmatch, parameters) if match]
        weights.setdefault(media_range.strip().lower(), float(found[0]) if found else 1.0)
    return max(offered, key=lambda media_type: _weight(weights, media_type))


def _weight(weights: dict[str, float], media_type: str) -> float:
    """The weight of the most specific range that has the media type."""
    ranges = (media_type, f"{media_type.partition('/')[0]}/*", "*/*")
    return next((weights[each] for each in ranges if each in weights), 0.0)
