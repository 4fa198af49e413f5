"""What differs between two runs, in layers, and how much alike the results of their steps are."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import Field

from ops_contract import resolve_pointer
from ops_orchestrator.runs.comparison.artifacts import ArtifactReader
from ops_orchestrator.runs.comparison.cause import cause_of, why_of
from ops_orchestrator.runs.comparison.grades import EXACT, SAME, Grade, Tolerances, worst
from ops_orchestrator.runs.comparison.layers import layer_places
from ops_orchestrator.runs.comparison.places import BRIEF, NO_PLACES, Limits, Places, Shape
from ops_orchestrator.runs.comparison.sides import Pair, Side
from ops_orchestrator.runs.comparison.steps import StepDiff, step_diff
from ops_orchestrator.runs.events import Status
from ops_orchestrator.runs.import_damage import import_damage
from ops_orchestrator.runs.store.protocols import StoredRun


class ComparedRun(Shape):
    """One of the two runs."""

    run_id: str
    scenario_id: str
    status: Status
    warnings: Annotated[int, Field(description="how many warnings its modules gave")]
    synthetic: Annotated[bool, Field(description="whether a module calls some of its figures made up")]


class RunDiff(Shape):
    """What differs between the runs A and B. A layer in which nothing differs is left out.

    `grade` is the worst of the steps', and `cause` a sentence for people.
    """

    a: ComparedRun
    b: ComparedRun
    grade: Grade
    cause: str
    notes: Annotated[tuple[str, ...], Field(description="what limits the comparison")] = ()
    request: Annotated[Places, Field(description="pointers into an object of scenario_id and inputs")] = NO_PLACES
    options: Annotated[Places, Field(description="pointers into run_options")] = NO_PLACES
    plan: Annotated[Places, Field(description="pointers into an object of steps by id")] = NO_PLACES
    modules: Annotated[Places, Field(description="what steps were made with, by id: version, adapter and so on")] = NO_PLACES
    versions: Annotated[Places, Field(description="of the orchestrators")] = NO_PLACES
    steps: tuple[StepDiff, ...] = ()

    def __str__(self) -> str:
        """The difference as text for people."""
        from ops_orchestrator.runs.comparison.text import text_of  # noqa: PLC0415  # which knows this class

        return text_of(self)

    @property
    def is_same(self) -> bool:
        """Have all steps the same result, within the tolerances?"""
        return self.grade in SAME


def diff_runs(a: StoredRun, b: StoredRun, tolerances: Tolerances = EXACT, limits: Limits = BRIEF) -> RunDiff:
    """What differs between two runs, and why. A run under way is compared as far as it is.

    Raises NotFoundError, DamagedRunError, StoreError.
    """
    return diff_sides(Side.of(a, "A"), Side.of(b, "B"), tolerances, limits)


def diff_sides(a: Side, b: Side, tolerances: Tolerances = EXACT, limits: Limits = BRIEF) -> RunDiff:
    """What differs between two runs that are read already; sentences call them by their names."""
    pair = Pair(a, b)
    if _is_one_run(a.run, b.run):
        steps = tuple(StepDiff(id=step.id, grade="identical", a=step.status, b=step.status) for step in pair.a.record.steps)
        return RunDiff(a=_compared(pair.a), b=_compared(pair.b), grade="identical", cause="The same run.", steps=steps)
    artifacts = ArtifactReader(a, b, tolerances, limits)
    steps = tuple(_explained(pair, step_diff(pair, step, artifacts), tolerances) for step in pair.order)
    layers = layer_places(pair, limits)
    notes = (
        *(note for side in (pair.a, pair.b) for note in _notes(side)),
        *(f"No output is at {pointer}: its tolerance counts in JSON artifacts alone." for pointer in _unmet(pair, tolerances)),
    )
    return RunDiff(
        a=_compared(pair.a),
        b=_compared(pair.b),
        grade=worst(step.grade for step in steps),
        cause=cause_of(pair, steps),
        **({"notes": notes} if notes else {}),
        **{name: places for name, places in layers.items() if places.count},
        steps=steps,
    )


def _is_one_run(a: StoredRun, b: StoredRun) -> bool:
    return a.run_id == b.run_id and a.location.resolve() == b.location.resolve()


def _explained(pair: Pair, step: StepDiff, tolerances: Tolerances) -> StepDiff:
    return step if step.grade in SAME else step.model_copy(update={"why": why_of(pair, step, tolerances)})


def _notes(side: Side) -> Iterator[str]:
    """What limits how far a run can be compared, or relied on."""
    if damage := import_damage(side.run):
        yield f"{side.name}: {damage}."
    if not side.record.is_over:
        yield f"{side.name} is {side.record.status}: it is compared as far as it is."
    if not side.modules:
        unknown = "so that changes of adapters are known by their hashes only"
        yield f"{side.name} does not say how its modules were called, {unknown}."


def _unmet(pair: Pair, tolerances: Tolerances) -> Iterator[str]:
    """The pointers of tolerances that lead nowhere in the outputs of any step."""
    outputs = [results.outputs for side in (pair.a, pair.b) for results in side.results.values()]
    yield from (pointer for pointer in tolerances.places if not any(_has(each, pointer) for each in outputs))


def _has(outputs: Mapping[str, Any], pointer: str) -> bool:
    try:
        resolve_pointer(outputs, pointer)
    except LookupError:
        return False
    return True


def _compared(side: Side) -> ComparedRun:
    summary = side.record.summary()
    return ComparedRun.model_validate({name: summary[name] for name in ComparedRun.model_fields})
