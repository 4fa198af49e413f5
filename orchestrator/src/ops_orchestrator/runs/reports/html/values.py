"""The single values in the outputs of a step, by pointer: what is neither in a list nor among the key figures."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from ops_orchestrator.runs.record import StepResults
from ops_orchestrator.runs.reports.html.room import Room
from ops_orchestrator.runs.reports.object_leaves import object_leaves
from ops_orchestrator.runs.scale import is_number

MOST_VALUES: Final = 24
"""So many single values of a step are listed; results.json has all of them."""

MOST_VALUES_TOGETHER: Final = 400
"""So many single values of all steps are listed."""

_SHOWN_ABOVE: Final = frozenset({"kpis", "baseline", "change", "units", "labels", "directions", "path"})


@dataclass(frozen=True)
class SingleValue:
    """A value in the outputs of a step, as text."""

    pointer: str
    text: str
    is_number: bool


@dataclass(frozen=True)
class SingleValues:
    """The first single values of a step, and how many more it has."""

    step: str
    listed: tuple[SingleValue, ...]
    more: int


def single_values(step: str, answered: StepResults, room: Room) -> SingleValues:
    """The single values of a step that have `room`, in the order of its outputs."""
    found = _values(answered.outputs)
    first = islice(found, min(MOST_VALUES, room.left))
    listed = tuple(SingleValue(pointer, _text(value), is_number(value)) for pointer, value in first)
    room.take(len(listed))
    return SingleValues(step, listed, sum(1 for _ in found))


def _values(outputs: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    rest = {key: value for key, value in outputs.items() if key not in _SHOWN_ABOVE}
    return ((pointer, value) for pointer, value in object_leaves(rest) if not isinstance(value, list))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
