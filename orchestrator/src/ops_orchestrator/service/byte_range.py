"""The `Range` request header, as far as it is served: one range of bytes (RFC 9110, section 14)."""

import re
from collections.abc import Sequence
from typing import Final

# The limit keeps a number below the length from which Python refuses to read it.
_ONE_RANGE: Final = re.compile(r"bytes=([0-9]{0,4000})-([0-9]{0,4000})", re.IGNORECASE)


class UnsatisfiableRangeError(Exception):
    """The range begins where the content has ended."""


def requested_range(values: Sequence[str], size: int) -> range | None:
    """The positions that the headers `values` ask for of `size` bytes; None when the whole content is to be sent.

    That is so without the header, and with one that cannot be read, has another unit or several ranges: section 14.2 lets a
    server ignore them. Raises UnsatisfiableRangeError.
    """
    match = _ONE_RANGE.fullmatch(values[0].strip()) if len(values) == 1 else None
    if match is None or not any(match.groups()):
        return None
    first, last = (int(text) if text else None for text in match.groups())
    if first is None:
        return _last_bytes(last or 0, size)
    if last is not None and last < first:
        return None
    if first >= size:
        raise UnsatisfiableRangeError
    return range(first, size if last is None else min(last + 1, size))


def _last_bytes(length: int, size: int) -> range | None:
    if length == 0:
        raise UnsatisfiableRangeError
    # Of an empty file they are all that there is, but no position could be named in Content-Range.
    return range(max(size - length, 0), size) if size else None
