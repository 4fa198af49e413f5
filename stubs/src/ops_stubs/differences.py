"""In what two JSON values differ, place by place."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final

from ops_contract import join_pointer

__all__ = ["ABSENT", "Difference", "differences", "shortened"]


class _Absent:
    """The value of what is not there, which null is."""


ABSENT: Final = _Absent()

_SHOWN_CHARACTERS: Final = 80


@dataclass(frozen=True)
class Difference:
    """One place, as a JSON pointer, and the values that the two have there; `ABSENT` where one has none."""

    pointer: str
    first: Any
    second: Any

    def told(self, first: str, second: str) -> str:
        """Both values in a phrase, each after its name, as in `recorded 0.18, sent 0.2`."""
        return f"{_told(first, self.first)}, {_told(second, self.second)}"

    def as_json(self, first: str, second: str) -> dict[str, Any]:
        """For programs: what is absent is left out."""
        sides = {first: self.first, second: self.second}
        return {"pointer": self.pointer} | {name: value for name, value in sides.items() if value is not ABSENT}


def differences(first: Any, second: Any) -> Iterator[Difference]:
    """Every place in which two JSON values differ, in the order of their keys; what only one of them has is one place.

    Numbers are compared as RFC 8785 writes them: 1 and 1.0 are one number.
    """
    pending = [Difference("", first, second)]
    while pending:
        place = pending.pop()
        children = _children(place)
        if children is not None:
            pending.extend(reversed(children))
        elif not _is_same(place.first, place.second):
            yield place


def shortened(value: Any) -> Any:
    """`value`, or the beginning of its JSON text when that is long."""
    text = json.dumps(value, ensure_ascii=False)
    return value if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 3]}..."


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


def _told(name: str, value: Any) -> str:
    if value is ABSENT:
        return f"{name} nothing"
    short = shortened(value)
    return f"{name} {short if isinstance(short, str) and short != value else json.dumps(value, ensure_ascii=False)}"
