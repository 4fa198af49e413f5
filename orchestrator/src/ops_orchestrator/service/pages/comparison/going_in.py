"""What goes into several runs: where it differs, and what is the same in all of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from ops_orchestrator.runs.comparison.layers import LAYERS
from ops_orchestrator.runs.comparison.sides import Pair
from ops_orchestrator.runs.reports.object_leaves import object_leaves
from ops_orchestrator.runs.scale import value_text
from ops_orchestrator.service.pages.comparison.places import LONGEST_VALUE, PlaceRow, PlaceRows, place_rows

MOST_PLACES: Final = 100
"""So many places of each part are listed, and as many that are the same."""

_NAMES: Final = {"request": "", "options": "run_options", "plan": "plan", "modules": "modules", "versions": "orchestrator"}
# Neither of them is part of the recipe, so that no result should depend on it.
_NAMES_ONLY: Final = ("/scenario_id", "run_options/labels", "run_options/deadline_s", "run_options/pin")


@dataclass(frozen=True)
class GoingIn:
    """The places that differ; those that are the same, with how many there are; and the runs of which not all is listed."""

    rows: tuple[tuple[PlaceRow, bool], ...]
    same: tuple[tuple[str, str], ...]
    same_count: int
    is_cut: bool


def going_in(pairs: Sequence[Pair]) -> GoingIn:
    """All parts of what goes in, in the order in which they take effect. A row that is marked is no part of the recipe."""
    parts = {name: [values(pair) for pair in pairs] for name, values in LAYERS.items()}
    found = {name: place_rows(both, MOST_PLACES) for name, both in parts.items()}
    rows = [
        PlaceRow(f"{_NAMES[name]}{row.pointer}", row.values, row.differs) for name, rows in found.items() for row in rows.rows
    ]
    same = (
        (f"{_NAMES[name]}{pointer}", value_text(value, LONGEST_VALUE))
        for name, both in parts.items()
        for pointer, value in object_leaves(both[0][0])
        if not _differs(pointer, found[name])
    )
    listed = tuple(islice(same, MOST_PLACES))
    return GoingIn(
        tuple((row, row.pointer.startswith(_NAMES_ONLY)) for row in rows),
        listed,
        len(listed) + sum(1 for _ in same),
        any(rows.is_cut for rows in found.values()),
    )


def _differs(pointer: str, rows: PlaceRows) -> bool:
    """Whether a place, one above it or one below it differs."""
    return any(
        pointer == other or pointer.startswith(f"{other}/") or other.startswith(f"{pointer}/") for other in _pointers(rows)
    )


def _pointers(rows: PlaceRows) -> Iterator[str]:
    return (row.pointer for row in rows.rows)
