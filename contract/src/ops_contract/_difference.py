"""In what two JSON values differ, place by place."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final

from ops_contract._json import join_pointer

__all__ = ["ABSENT", "Difference", "differences"]


class _Absent:
    """The type of ABSENT."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent()
"""The value at a place that one of two JSON values does not have; null is a value."""

_LONGEST: Final = 80
_LONGEST_OF_TWO: Final = 40


@dataclass(frozen=True)
class Difference:
    """A place, as an RFC 6901 pointer, and what two JSON values have there: `ABSENT` where one has nothing."""

    pointer: str
    first: Any
    second: Any

    def phrase(self, first: str, second: str) -> str:
        """Both values, long ones shortened, each after its name, as in `recorded 0.18, sent 0.2`."""
        return f"{first} {_shown(self.first)}, {second} {_shown(self.second)}"

    def change(self, below: str = "") -> str:
        """The place and what became of it, as in `/outputs/kpis/gdp: 1.2 became 1.3`, long values shortened.

        `below` is a pointer in front of it.
        """
        place = f"{below}{self.pointer}" or "the whole value"
        if self.first is ABSENT:
            return f"{place}: {_shown(self.second, _LONGEST_OF_TWO)} is new"
        if self.second is ABSENT:
            return f"{place}: {_shown(self.first, _LONGEST_OF_TWO)} is gone"
        return f"{place}: {_shown(self.first, _LONGEST_OF_TWO)} became {_shown(self.second, _LONGEST_OF_TWO)}"

    def as_json(self, first: str, second: str, *, longest: int | None = None) -> dict[str, Any]:
        """The pointer, and each value under its name unless it is absent.

        Of a value whose JSON text has more than `longest` characters, the beginning of that text stands in its place.
        """
        sides = {first: self.first, second: self.second}
        values = {name: _shortened(value, longest) for name, value in sides.items() if value is not ABSENT}
        return {"pointer": self.pointer} | values


def differences(first: Any, second: Any) -> Iterator[Difference]:
    """Every place in which two JSON values differ, in the order of their keys.

    An object or array that only one of them has is one place. Numbers are compared as RFC 8785 writes them: 1 and 1.0 are one
    number.
    """
    pending = [Difference("", first, second)]
    while pending:
        place = pending.pop()
        children = _children(place)
        if children is not None:
            pending.extend(reversed(children))
        elif not _is_same(place.first, place.second):
            yield place


def _children(place: Difference) -> list[Difference] | None:
    """The places inside two objects or two arrays, None for everything else."""
    match place.first, place.second:
        case dict() as first, dict() as second:
            keys = sorted(first.keys() | second.keys())
            return [
                Difference(join_pointer(place.pointer, key), first.get(key, ABSENT), second.get(key, ABSENT)) for key in keys
            ]
        case list() as first, list() as second:
            pairs = enumerate(zip_longest(first, second, fillvalue=ABSENT))
            return [Difference(join_pointer(place.pointer, index), one, other) for index, (one, other) in pairs]
    return None


def _is_same(first: Any, second: Any) -> bool:
    # Python takes true for 1.
    return isinstance(first, bool) == isinstance(second, bool) and bool(first == second)


def _shown(value: Any, longest: int = _LONGEST) -> str:
    return "nothing" if value is ABSENT else _cut(json.dumps(value, ensure_ascii=False), longest)


def _shortened(value: Any, longest: int | None) -> Any:
    if longest is None:
        return value
    text = json.dumps(value, ensure_ascii=False)
    return value if len(text) <= longest else _cut(text, longest)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 3]}..."
