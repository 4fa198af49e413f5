"""Requests as parsers of most languages read them, which let more pass than the contract's JSON."""

import json
import math
from typing import Any, Final, NoReturn

__all__ = ["carried", "read_leniently"]

_DEEPEST: Final = 150
_LARGEST: Final = 2**53 - 1


def read_leniently(raw: bytes) -> Any:
    """The JSON value in `raw`; None when there is none.

    A key may stand twice, a byte order mark may be in front, the text may be UTF-16, and bytes that are not UTF-8 are replaced.
    """
    try:
        return json.loads(raw.decode(json.detect_encoding(raw), errors="replace"), parse_constant=_no_number)
    except (ValueError, RecursionError):
        return None


def carried(value: Any, depth: int = 0) -> Any:
    """`value` without what JSON of the contract cannot hold: null in the place of numbers, half characters and depth."""
    if depth > _DEEPEST:
        return None
    match value:
        case dict():
            return {carried(key): carried(item, depth + 1) for key, item in value.items()}
        case list():
            return [carried(item, depth + 1) for item in value]
        case str():
            return value.encode(errors="replace").decode()
        case int() | float() if not math.isfinite(value) or (isinstance(value, int) and abs(value) > _LARGEST):
            return None
    return value


def _no_number(word: str) -> NoReturn:
    raise ValueError(word)
