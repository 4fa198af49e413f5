"""JSON read and written by orjson, wherever it is certain to do what the contract asks for.

Each function answers quickly or says that it cannot; then the strict reader and the library for RFC 8785 decide.
"""

import math
from collections.abc import Iterable
from typing import Any, Final

import orjson
import rfc8785

__all__ = ["MAX_DEPTH"]

MAX_DEPTH = 200
"""How deeply arrays and objects may nest. Well below the interpreter's recursion limit, far above any real answer."""

MAX_EXACT_INTEGER: Final = 2**53 - 1
"""Integers beyond it, and beyond its negative, are not all doubles."""

UNDECIDED: Final = object()
"""What `read_quickly` returns for a text that the strict reader has to judge."""

# All other threads wait while orjson reads. Of longer texts, the strict reader lets them have their turn at each number.
_LONGEST_BYTES: Final = 1024 * 1024
_ESCAPED_COLON: Final = rb"\u003"  # then a or A
_PLAIN: Final = frozenset({str, int, bool, type(None)})
# Between these, orjson writes a float as ECMAScript does: without an exponent.
_LEAST_PLAIN: Final = 1e-5
_MOST_PLAIN: Final = 1e15
# The first bytes of characters beyond U+FFFF in UTF-8.
_LEADS_BEYOND_FFFF: Final = range(0xF0, 0xF5)


def read_quickly(raw: bytes) -> Any:
    """The value of the JSON text `raw`, or UNDECIDED when it may be one that the strict reader refuses or reads otherwise."""
    if len(raw) > _LONGEST_BYTES:
        return UNDECIDED
    try:
        value = orjson.loads(raw)
        colons = orjson.dumps(value).count(b":")
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return UNDECIDED
    # Of members with the same key, orjson keeps the last. Each member has a colon, and a colon in a string is written as it
    # was read unless it was escaped. So as many colons are written as were read only if no member was dropped.
    if colons != raw.count(b":") or _may_have_escaped_colon(raw):
        return UNDECIDED
    numbers = _numbers(value)
    # An integer beyond 64 bits is read as a float.
    if numbers is None or any(type(number) is float and abs(number) >= 2.0**63 for number in numbers):
        return UNDECIDED
    return value


def write_quickly(value: Any) -> bytes | None:
    """`value` as RFC 8785 canonical JSON, or None when orjson may write it otherwise."""
    try:
        written = orjson.dumps(_writable(value), option=orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER)
    except (orjson.JSONEncodeError, rfc8785.CanonicalizationError, RecursionError):
        return None
    # orjson sorts keys by code points, RFC 8785 by UTF-16, in which characters beyond U+FFFF come before some that are not.
    return None if any(lead in written for lead in _LEADS_BEYOND_FFFF) else written


def has_exact_numbers(value: Any) -> bool:
    """Whether RFC 8785 can carry each number in `value`; false also when that is not known."""
    numbers = _numbers(value)
    return numbers is not None and all(
        math.isfinite(number) if type(number) is float else abs(number) <= MAX_EXACT_INTEGER for number in numbers
    )


def _may_have_escaped_colon(raw: bytes) -> bool:
    # Only from the first to the last backslash: this saves a fifth of the time of reading an answer with a large artifact.
    first = raw.find(b"\\")
    return first >= 0 and raw.find(_ESCAPED_COLON, first, raw.rfind(b"\\") + len(_ESCAPED_COLON)) >= 0


def _numbers(value: Any) -> list[int | float] | None:
    """The numbers in `value`; None when it nests deeper than MAX_DEPTH or holds what `parse_json` does not return."""
    numbers: list[int | float] = []
    level: list[Iterable[Any]] = [(value,)]
    for _ in range(MAX_DEPTH + 1):
        below: list[Iterable[Any]] = []
        for items in level:
            for item in items:
                kind = type(item)
                if kind is float or kind is int:
                    numbers.append(item)
                elif kind is dict:
                    below.append(item.values())
                elif kind is list:
                    below.append(item)
                elif kind not in _PLAIN:
                    return None
        if not below:
            return numbers
        level = below
    return None


def _writable(value: Any) -> Any:
    """A copy of `value` in which orjson writes the floats as RFC 8785 has them.

    Raises JSONEncodeError for anything that has a way of its own to be written, and CanonicalizationError for a float that
    cannot be written.
    """
    kind = type(value)
    if kind is float:
        if value.is_integer():
            if -_MOST_PLAIN < value < _MOST_PLAIN:
                return int(value)
        elif _LEAST_PLAIN <= abs(value) < _MOST_PLAIN:
            return value
        return orjson.Fragment(rfc8785.dumps(value))
    if kind is dict:
        return {key: item if type(item) in _PLAIN else _writable(item) for key, item in value.items()}
    if kind is list or kind is tuple:
        return [item if type(item) in _PLAIN else _writable(item) for item in value]
    if kind in _PLAIN:
        return value
    raise orjson.JSONEncodeError(kind)
