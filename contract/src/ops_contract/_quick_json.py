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
# An integer beyond 64 bits is read as a float.
_MOST: Final = {int: MAX_EXACT_INTEGER, float: math.nextafter(2.0**63, 0)}
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
    except orjson.JSONDecodeError:
        return UNDECIDED
    members = _members(value)
    return value if members is not None and _holds_all_members(value, members, raw) else UNDECIDED


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
    return _members(value) is not None


def _holds_all_members(value: Any, members: int, raw: bytes) -> bool:
    """Whether no member of an object in `raw` was dropped: of those with the same key, orjson keeps the last."""
    # Each member has a colon. Most texts have no other, and of those this saves a quarter of the time.
    colons = raw.count(b":")
    if members == colons:
        return True
    # A colon in a string is written as it was read unless it was escaped.
    try:
        return not _may_have_escaped_colon(raw) and orjson.dumps(value).count(b":") == colons
    except orjson.JSONEncodeError:
        return False


def _may_have_escaped_colon(raw: bytes) -> bool:
    # Only from the first to the last backslash: this saves a fifth of the time of reading an answer with a large artifact.
    first = raw.find(b"\\")
    return first >= 0 and raw.find(_ESCAPED_COLON, first, raw.rfind(b"\\") + len(_ESCAPED_COLON)) >= 0


def _members(value: Any) -> int | None:
    """How many members the objects in `value` have.

    None when it nests deeper than MAX_DEPTH, holds what `parse_json` does not return, or a number that not every reader keeps.
    """
    members = 0
    level: list[Iterable[Any]] = [(value,)]
    for _ in range(MAX_DEPTH + 1):
        below: list[Iterable[Any]] = []
        for items in level:
            for item in items:
                kind = type(item)
                if kind in _MOST:
                    if not -_MOST[kind] <= item <= _MOST[kind]:  # so is no NaN
                        return None
                elif kind is dict:
                    members += len(item)
                    below.append(item.values())
                elif kind is list:
                    below.append(item)
                elif kind not in _PLAIN:
                    return None
        if not below:
            return members
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
