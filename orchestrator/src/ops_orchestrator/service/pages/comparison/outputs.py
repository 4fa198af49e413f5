"""Outputs that differ beside the key figures and the series, which have tables of their own."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ops_orchestrator.runs.comparison.sides import Side
from ops_orchestrator.service.pages.comparison.places import PlaceRows, place_rows

MOST_PLACES: Final = 50
"""So many places of a step are listed; the rest is in the differences as JSON."""

MOST_STEPS: Final = 100
"""The outputs of so many steps are compared."""


@dataclass(frozen=True)
class StepOutputs:
    """The outputs of a step that differ."""

    step: str
    places: PlaceRows

    @property
    def most(self) -> int:
        """In how many places the run differs that differs most."""
        return max(self.places.counts)


def other_outputs(sides: Sequence[Side], shown: Mapping[str, Collection[str]]) -> list[StepOutputs]:
    """By step, the places that differ. `shown` are the outputs that are left out, by step."""
    steps = [*dict.fromkeys(step for side in sides for step in side.results)][:MOST_STEPS]
    found = [StepOutputs(step, place_rows(_pairs(sides, step, shown.get(step, ())), MOST_PLACES)) for step in steps]
    return [outputs for outputs in found if any(outputs.places.counts)]


def _pairs(sides: Sequence[Side], step: str, shown: Collection[str]) -> list[tuple[Any, Any]]:
    """The outputs of the reference and of each other run; nothing differs where one of them did not complete the step."""
    outputs = [
        {key: value for key, value in side.results[step].outputs.items() if key not in shown} if step in side.results else None
        for side in sides
    ]
    first = outputs[0]
    return [({}, {}) if first is None or other is None else (first, other) for other in outputs[1:]]
