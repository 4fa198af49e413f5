"""A sweep: a scenario that is run for many values and seeds, and the points that it comes down to. No network, no files."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, product
from math import prod
from typing import Any, Final

from ops_contract import MAX_VALUES, join_pointer, split_pointer, suggestion
from ops_orchestrator.planning.axes import PLACE, Axis, axes_of, refused, seeds_of, size_of, too_many
from ops_orchestrator.planning.input_pointer import (
    MISSING,
    PointerError,
    check_spelling,
    hidden_by,
    note_of_new,
    value_at,
    with_value,
)
from ops_orchestrator.planning.scenario import Scenario, read_as
from ops_orchestrator.planning.sweep_spec import Range, SweepScenario, SweepSpec

MOST_POINTS: Final = 10_000
"""Unless an operator sets another limit, a sweep has at most so many points."""

_RANGE: Final = {"from", "to", "step"}


@dataclass(frozen=True)
class Parameter:
    """An input that a sweep varies: its pointer into the inputs, what people call it, and its unit.

    `own` is the value that the scenario itself has there, such as that of the law in force; None where it has none.
    """

    pointer: str
    label: str
    unit: str = ""
    own: Any = None


@dataclass(frozen=True)
class Point:
    """One run of a sweep, numbered from 1: what it is made with, by pointer into the inputs, and the scenario as a whole."""

    number: int
    parameters: Mapping[str, Any]
    seed: int
    scenario: Scenario


@dataclass(frozen=True)
class SweepRequest:
    """A sweep that can be run: its `scenario`, and what is varied in it."""

    scenario: Scenario
    spec: SweepSpec
    axes: tuple[Axis, ...]
    seeds: tuple[int, ...]

    @property
    def size(self) -> int:
        """How many points there are."""
        return prod(len(axis.places) for axis in self.axes) * len(self.seeds)

    @property
    def numbers(self) -> range:
        """The numbers of the points."""
        return range(1, self.size + 1)

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """The inputs that are varied, in the order in which they were asked for."""
        return tuple(self._parameter(pointer) for axis in self.axes for pointer in axis.pointers)

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What may not be meant as it is written, in sentences."""
        inputs, steps = self.scenario.inputs, self.scenario.modules
        unknown = (note_of_new(inputs, parameter.pointer) for parameter in self.parameters)
        hidden = (
            f"the step {step.step_id} has its own {parameter.pointer}, which the sweep does not change"
            for parameter in self.parameters
            for step in steps
            if hidden_by(step.inputs, parameter.pointer)
        )
        ranges = chain(_notes_of_short_ranges(self.spec), _notes_of_ranges_as_values(self.axes))
        return tuple(note for note in chain(unknown, hidden, ranges) if note)

    def _parameter(self, pointer: str) -> Parameter:
        own = value_at(self.scenario.inputs, pointer)
        label = self.spec.labels.get(pointer) or split_pointer(pointer)[-1] or pointer
        return Parameter(pointer, label, self.spec.units.get(pointer, ""), None if own is MISSING else own)


def read_sweep(body: bytes, *, max_values: int = MAX_VALUES, max_points: int = MOST_POINTS) -> SweepRequest:
    """Make a sweep of a request body: a scenario with `sweep`.

    Raises InvalidRequestError: 400 for bad JSON, 413 for more than `max_values` values, 422 with pointers for the rest, such
    as more than `max_points` points.
    """
    asked = read_as(SweepScenario, body, "sweep", max_values=max_values)
    scenario = Scenario.model_construct(**{name: getattr(asked, name) for name in Scenario.model_fields})
    request = SweepRequest(
        scenario, asked.sweep, axes_of(asked.sweep, max_points), seeds_of(asked.sweep, scenario.run_options.seed, max_points)
    )
    _check(request, max_points)
    return request


def points(request: SweepRequest) -> Iterator[Point]:
    """The points of a sweep, made one after another: the last axis changes first, and the seed before it."""
    pointers = [parameter.pointer for parameter in request.parameters]
    number = 0
    for places in product(*(axis.places for axis in request.axes)):
        parameters = dict(zip(pointers, chain.from_iterable(places), strict=True))
        inputs = _with_values(request.scenario.inputs, parameters)
        for seed in request.seeds:
            number += 1
            yield Point(number, parameters, seed, _varied(request.scenario, inputs, seed))


def point_at(request: SweepRequest, number: int) -> Point:
    """The point with this number, from 1 on, as `points` has it."""
    place, at = divmod(number - 1, len(request.seeds))
    values: list[Any] = []
    for axis in reversed(request.axes):
        place, chosen = divmod(place, len(axis.places))
        values[:0] = axis.places[chosen]
    parameters = dict(zip((parameter.pointer for parameter in request.parameters), values, strict=True))
    inputs = _with_values(request.scenario.inputs, parameters)
    return Point(number, parameters, request.seeds[at], _varied(request.scenario, inputs, request.seeds[at]))


def _notes_of_short_ranges(spec: SweepSpec) -> Iterator[str]:
    for pointer, asked in spec.parameters.items():
        if isinstance(asked, Range) and asked.from_ != asked.to and size_of(asked) == 1:
            yield f"the range of {pointer} has one value, {asked.from_}: one step of {asked.step} leads beyond {asked.to}"


def _notes_of_ranges_as_values(axes: Sequence[Axis]) -> Iterator[str]:
    for axis in axes:
        for at, pointer in enumerate(axis.pointers):
            if any(isinstance(place[at], dict) and place[at].keys() == _RANGE for place in axis.places):
                yield f"{pointer} is set to an object with from, to and step: a range takes the place of the whole list"


def _varied(scenario: Scenario, inputs: dict[str, Any], seed: int) -> Scenario:
    options = scenario.run_options.model_copy(update={"seed": seed})
    return scenario.model_copy(update={"inputs": inputs, "run_options": options})


def _with_values(inputs: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    changed = dict(inputs)
    for pointer, value in parameters.items():
        changed = with_value(changed, pointer, value)
    return changed


def _check(request: SweepRequest, max_points: int) -> None:
    if not request.axes and request.spec.seeds is None:
        raise refused(PLACE, "varies nothing; give it parameters, cases or seeds")
    if request.size > max_points:
        raise too_many(request.size, max_points)
    for axis in request.axes:
        for pointer, value in zip(axis.pointers, axis.places[0], strict=True):
            try:
                with_value(request.scenario.inputs, pointer, value)
                check_spelling(request.scenario.inputs, pointer)
            except PointerError as error:
                raise refused(axis.source, f"{pointer} {error}") from error
    _check_names(request)


def _check_names(request: SweepRequest) -> None:
    """Refuse a label or a unit of what is not varied, most often a misspelt pointer."""
    known = [parameter.pointer for parameter in request.parameters]
    for field, named in (("labels", request.spec.labels), ("units", request.spec.units)):
        for pointer in named:
            if pointer not in known:
                place = join_pointer(f"{PLACE}/{field}", pointer)
                raise refused(place, f"is not varied; {suggestion(pointer, known) or 'it needs parameters or cases'}")
