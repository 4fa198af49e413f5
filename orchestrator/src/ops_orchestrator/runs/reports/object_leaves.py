"""What is in nested objects, by JSON pointer."""

from collections.abc import Iterator, Mapping
from typing import Any

from ops_contract import join_pointer


def object_leaves(value: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every value in `value` that is not an object with content, in its order; arrays are not taken apart."""
    left: list[tuple[str, Any]] = [("", value)]
    while left:
        at, found = left.pop()
        if isinstance(found, dict) and found:
            left += [(join_pointer(at, key), item) for key, item in reversed(found.items())]
        elif at:
            yield at, found
