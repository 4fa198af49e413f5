"""Places that differ in any of several runs, by pointer, with the value of each run."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from ops_contract import resolve_pointer
from ops_orchestrator.runs.comparison.places import Limits, places_of
from ops_orchestrator.runs.scale import shortened

LONGEST_VALUE: Final = 120
"""So many characters of a value stand on the page."""

NOTHING: Final = "nothing"

_ABSENT: Final = object()


@dataclass(frozen=True)
class PlaceRow:
    """A place with its value in each run, the reference first; `differs` says which are not that of the reference."""

    pointer: str
    values: tuple[str, ...]
    differs: tuple[bool, ...]


@dataclass(frozen=True)
class PlaceRows:
    """The first places that differ, and by run but the reference how many do in all."""

    rows: tuple[PlaceRow, ...]
    counts: tuple[int, ...]

    @property
    def is_cut(self) -> bool:
        """Whether a run differs in places that are not listed."""
        return any(count > sum(row.differs[at] for row in self.rows) for at, count in enumerate(self.counts, start=1))


def place_rows(pairs: Sequence[tuple[Any, Any]], most: int) -> PlaceRows:
    """The places in which the second values of `pairs` differ from the first, which are those of the reference."""
    found = [places_of(first, second, limits=Limits(places=most)) for first, second in pairs]
    pointers = [*dict.fromkeys(place.pointer for places in found for place in places.listed)][:most]
    return PlaceRows(tuple(_row(pointer, pairs) for pointer in pointers), tuple(places.count for places in found))


def _row(pointer: str, pairs: Sequence[tuple[Any, Any]]) -> PlaceRow:
    both = [(_at(first, pointer), _at(second, pointer)) for first, second in pairs]
    differs = [not _is_same(first, second) for first, second in both]
    # What is compared of the reference may depend on what is known of the other run.
    reference = next((first for (first, _), differ in zip(both, differs, strict=True) if differ), both[0][0])
    return PlaceRow(pointer, _texts([reference, *(second for _, second in both)]), (False, *differs))


def _is_same(first: Any, second: Any) -> bool:
    return first is second or (_ABSENT not in (first, second) and not places_of(first, second).count)


def _at(document: Any, pointer: str) -> Any:
    try:
        return resolve_pointer(document, pointer)
    except LookupError:
        return _ABSENT


def _texts(values: Sequence[Any]) -> tuple[str, ...]:
    """Texts as they are and other values as JSON; all as JSON where that would hide what differs, as of "1" and 1."""
    as_json = [NOTHING if value is _ABSENT else json.dumps(value, ensure_ascii=False) for value in values]
    plain = [value if isinstance(value, str) else text for value, text in zip(values, as_json, strict=True)]
    told = plain if len({*plain}) == len({*as_json}) else as_json
    return tuple(shortened(text, LONGEST_VALUE) for text in told)
