"""How places and values are written in sentences for people."""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Final

from ops_orchestrator.excerpt import excerpt
from ops_orchestrator.runs.comparison.places import Place

LONGEST_VALUE: Final = 40
"""Characters of a value in a sentence or in a table."""

_LONGEST_PATH: Final = 80
_MOST_NAMED: Final = 2
_PLAIN_NAME: Final = re.compile(r"[\w-]+")


def path_text(pointer: str) -> str:
    """A JSON pointer as a path with dots, where that is not ambiguous: `policy_parameters.vat_rate`."""
    tokens = pointer.split("/")[1:]
    path = ".".join(tokens) if all(map(_PLAIN_NAME.fullmatch, tokens)) else pointer
    return excerpt(visible(path), _LONGEST_PATH)


def values_text(place: Place) -> str:
    """Both values, as in `0.18 → 0.2`."""
    return " → ".join(value_texts(place))


def value_texts(place: Place, longest: int = LONGEST_VALUE) -> tuple[str, str]:
    """Both values as JSON, long ones cut so that the first difference is seen; `nothing` where one has none."""
    first, second = (
        visible(json.dumps(getattr(place, side), ensure_ascii=False)) if side in place.model_fields_set else "nothing"
        for side in ("a", "b")
    )
    pairs = enumerate(zip(first, second, strict=False))
    same = next((at for at, (one, other) in pairs if one != other), min(len(first), len(second)))
    start = 0 if max(len(first), len(second)) <= longest or same < longest // 2 else same - longest // 4
    return _cut(first, start, longest), _cut(second, start, longest)


def _cut(text: str, start: int, longest: int) -> str:
    """At most `longest` characters of `text` from `start` on, with dots where something is left out."""
    before = "..." if start else ""
    rest = text[start:]
    return f"{before}{rest}" if len(before + rest) <= longest else f"{before}{rest[: longest - 3 - len(before)]}..."


def differing(what: str, places: Sequence[Place], count: int, below: str = "") -> str:
    """That the first of `count` places differ, as in `its input vat_rate differs (0.18 → 0.2)`.

    `what` is in the singular; `below` is left out of the pointers.
    """
    names = [path_text(place.pointer.removeprefix(below)) for place in places[:_MOST_NAMED]]
    if count == 1:
        return f"{what} {names[0]} differs ({values_text(places[0])})"
    texts = [f"{name} ({values_text(place)})" for name, place in zip(names, places, strict=False)]
    more = count - len(texts)
    return f"{what}s {joined([*texts, *([f'{more:,} more'] if more else [])])} differ"


def joined(texts: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *first, last = texts
    return f"{', '.join(first)} and {last}" if first else last


def visible(text: str) -> str:
    """Text from elsewhere, without what changes a terminal or the direction of the text around it."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def sentence(text: str) -> str:
    """`text` with one full stop at its end."""
    return f"{text.rstrip('. ')}."
