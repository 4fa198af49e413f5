"""Where a difference begins: the result of each step in each run, how much alike they are, and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ops_orchestrator.runs.comparison.diff import RunDiff
from ops_orchestrator.runs.comparison.grades import SAME, Grade
from ops_orchestrator.runs.comparison.sides import Side
from ops_orchestrator.runs.comparison.steps import StepDiff

MOST_STEPS: Final = 200
"""So many steps are listed; the rest is counted."""


@dataclass(frozen=True)
class Outcome:
    """A step of one run against that of the reference."""

    name: str
    grade: Grade
    why: str


@dataclass(frozen=True)
class StepRow:
    """A step with its result in each run, None where it has none, and its status where that is not completed."""

    step: str
    results: tuple[str | None, ...]
    statuses: tuple[str, ...]
    outcomes: tuple[Outcome, ...]
    begins: tuple[str, ...]


@dataclass(frozen=True)
class StepRows:
    """The first steps, and how many more there are."""

    rows: tuple[StepRow, ...]
    more: int


def step_rows(sides: Sequence[Side], diffs: Sequence[RunDiff]) -> StepRows:
    """All steps; `begins` names the runs that differ from the reference from this step on."""
    by_run = [{step.id: step for step in diff.steps} for diff in diffs]
    first = [next((step.id for step in diff.steps if step.grade not in SAME), None) for diff in diffs]
    names = [*dict.fromkeys(step for found in by_run for step in found)]
    rows = (
        StepRow(
            name,
            tuple(side.steps[name].result if name in side.steps else None for side in sides),
            tuple(_status(side, name) for side in sides),
            tuple(_outcomes(name, sides, by_run)),
            tuple(side.name for side, begin in zip(sides[1:], first, strict=True) if begin == name),
        )
        for name in names[:MOST_STEPS]
    )
    return StepRows(tuple(rows), max(len(names) - MOST_STEPS, 0))


def _status(side: Side, name: str) -> str:
    return side.steps[name].status if name in side.steps else "no such step"


def _outcomes(name: str, sides: Sequence[Side], by_run: Sequence[dict[str, StepDiff]]) -> list[Outcome]:
    """The grades; a step that neither the reference nor the run has is none of both."""
    return [
        Outcome(side.name, found[name].grade, found[name].why)
        for side, found in zip(sides[1:], by_run, strict=True)
        if name in found
    ]
