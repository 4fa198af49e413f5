"""Where a difference begins: the result of each step in each run, how much alike they are, and why."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from ops_orchestrator.runs.comparison.diff import RunDiff
from ops_orchestrator.runs.comparison.grades import SAME, Grade
from ops_orchestrator.runs.comparison.sides import Side
from ops_orchestrator.runs.comparison.steps import StepDiff

Value = TypeVar("Value", bound=Hashable)

MOST_STEPS: Final = 200
"""So many steps are listed; the rest is counted."""


@dataclass(frozen=True)
class Outcome:
    """A step of the runs `names` against that of the reference. `begins` where they differ from it from this step on."""

    names: tuple[str, ...]
    grade: Grade
    begins: bool


@dataclass(frozen=True)
class StepRow:
    """A step with its result in each run, None where it has none, and its status, which tells why.

    `reasons` are those of the runs that they name; what holds for several is said once.
    """

    step: str
    results: tuple[str | None, ...]
    statuses: tuple[str, ...]
    outcomes: tuple[Outcome, ...]
    reasons: tuple[tuple[tuple[str, ...], str], ...]

    @property
    def begins(self) -> bool:
        """Whether a run differs from the reference from this step on."""
        return any(outcome.begins for outcome in self.outcomes)


@dataclass(frozen=True)
class StepRows:
    """The first steps, and how many more there are."""

    rows: tuple[StepRow, ...]
    more: int


def step_rows(sides: Sequence[Side], diffs: Sequence[RunDiff]) -> StepRows:
    """All steps in the order of the reference, those that it does not have after the one that they follow."""
    by_run = {side.name: {step.id: step for step in diff.steps} for side, diff in zip(sides[1:], diffs, strict=True)}
    first = {name: next((diff.id for diff in steps.values() if diff.grade not in SAME), None) for name, steps in by_run.items()}
    names = _in_order([list(steps) for steps in by_run.values()])
    rows = [_row(step, sides, by_run, first) for step in names[:MOST_STEPS]]
    return StepRows(tuple(rows), max(len(names) - MOST_STEPS, 0))


def _in_order(orders: Sequence[Sequence[str]]) -> list[str]:
    """The steps of all orders; one that an order adds stands behind the one before it there."""
    names = list(orders[0])
    for order in orders[1:]:
        known, at = set(names), 0
        for step in order:
            if step in known:
                at = names.index(step) + 1
            else:
                names.insert(at, step)
                at += 1
    return names


def _row(
    step: str, sides: Sequence[Side], by_run: Mapping[str, Mapping[str, StepDiff]], first: Mapping[str, str | None]
) -> StepRow:
    # A step that neither the reference nor a run has is in no difference of the two.
    found = {name: steps[step] for name, steps in by_run.items() if step in steps}
    grades = _by_value({name: (diff.grade, first[name] == step) for name, diff in found.items()})
    reasons = _by_value({name: diff.why for name, diff in found.items() if diff.why})
    return StepRow(
        step,
        tuple(side.steps[step].result if step in side.steps else None for side in sides),
        tuple(side.steps[step].status if step in side.steps else "no such step" for side in sides),
        tuple(Outcome(names, grade, begins) for (grade, begins), names in grades.items()),
        tuple((names, why) for why, names in reasons.items()),
    )


def _by_value(found: Mapping[str, Value]) -> dict[Value, tuple[str, ...]]:
    """The names of what has the same value."""
    by_value: dict[Value, list[str]] = {}
    for name, value in found.items():
        by_value.setdefault(value, []).append(name)
    return {value: tuple(names) for value, names in by_value.items()}
