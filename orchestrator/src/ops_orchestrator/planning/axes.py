"""From what a sweep asks for to its axes: the inputs that change together, and all the values that they take."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from typing import Any, Final

from ops_contract import Problem, canonical_json, join_pointer, split_pointer
from ops_orchestrator.errors import InvalidRequestError
from ops_orchestrator.planning.scenario import refuse_numbers
from ops_orchestrator.planning.sweep_spec import LARGEST_SEED, Range, SweepSpec

PLACE: Final = "/sweep"
"""Where in a request the sweep stands."""

_CASES: Final = f"{PLACE}/cases"
_LARGEST_COUNT: Final = 10**15


@dataclass(frozen=True)
class Axis:
    """Inputs that change together: their pointers, and for each place on the axis a value for each of them.

    `source` is where in the request the axis is asked for.
    """

    source: str
    pointers: tuple[str, ...]
    places: Sequence[tuple[Any, ...]]


def axes_of(spec: SweepSpec, most: int) -> tuple[Axis, ...]:
    """The axes of a sweep of at most `most` points; with `zip` there is one. Raises InvalidRequestError with pointers."""
    _refuse_inputs_given_twice(spec)
    axes = [_parameter(pointer, variation, most) for pointer, variation in spec.parameters.items()]
    if spec.cases:
        axes.append(_cases(spec.cases))
    if spec.combine == "zip" and axes:
        axes = [_zipped(axes)]
    for axis in axes:
        _refuse_repeated_places(axis)
    return tuple(axes)


def seeds_of(spec: SweepSpec, first: int, most: int) -> tuple[int, ...]:
    """The seeds of a sweep whose scenario has the seed `first`. Raises InvalidRequestError."""
    place = f"{PLACE}/seeds"
    if spec.seeds is None:
        return (first,)
    if isinstance(spec.seeds, tuple):
        if not spec.seeds:
            raise refused(place, "is empty; give a number of seeds, or at least one")
        if len(set(spec.seeds)) < len(spec.seeds):
            twice = next(seed for at, seed in enumerate(spec.seeds) if seed in spec.seeds[:at])
            raise refused(place, f"has the seed {twice} twice, which would run the same points twice")
        return spec.seeds
    if not spec.seeds:
        raise refused(place, "must be a number of seeds above 0, or a list of seeds")
    if spec.seeds > most:
        raise refused(place, f"asks for {spec.seeds:,} seeds; {_limit(most)}")
    if first + spec.seeds - 1 > LARGEST_SEED:
        raise refused(place, f"would begin with the scenario's seed {first} and go beyond {LARGEST_SEED}, the largest")
    return tuple(range(first, first + spec.seeds))


def size_of(asked: Range) -> int:
    """How many values a range has whose step leads from its beginning to its end."""
    first, last, step = map(_exact, (asked.from_, asked.to, asked.step))
    return int((last - first) // step) + 1


def refused(pointer: str, message: str) -> InvalidRequestError:
    """The refusal of a sweep for what stands at `pointer`."""
    return InvalidRequestError("The sweep cannot be run as it is.", [Problem(pointer, message)])


def too_many(count: int, most: int) -> InvalidRequestError:
    """The refusal of a sweep that has `count` points."""
    return refused(PLACE, f"has {_counted(count)} points; {_limit(most)}")


def _parameter(pointer: str, variation: tuple[Any, ...] | Range, most: int) -> Axis:
    place = join_pointer(f"{PLACE}/parameters", pointer)
    values = _steps(place, variation, most) if isinstance(variation, Range) else variation
    if not values:
        raise refused(place, "has no values; list at least one")
    if len(values) > most:
        raise refused(place, f"has {len(values):,} values; {_limit(most)}")
    refuse_numbers(place, list(values))
    return Axis(place, (pointer,), [(value,) for value in values])


def _steps(place: str, asked: Range, most: int) -> tuple[float, ...]:
    """The numbers of a range, each the one that is nearest to the exact decimal. Floats added up would drift away from it."""
    refuse_numbers(place, {"from": asked.from_, "to": asked.to, "step": asked.step})
    first, last, step = map(_exact, (asked.from_, asked.to, asked.step))
    if not step:
        raise refused(f"{place}/step", "must not be 0")
    if (last - first) / step < 0:
        direction = "above" if last > first else "below"
        raise refused(f"{place}/step", f"must be {direction} 0 to lead from {asked.from_} to {asked.to}, not {asked.step}")
    count = size_of(asked)
    if count > most:
        raise refused(place, f"has {_counted(count)} values; {_limit(most)}")
    of_integers = all(isinstance(number, int) for number in (asked.from_, asked.to, asked.step))
    return tuple(int(value) if of_integers else float(value) for value in (first + at * step for at in range(count)))


def _exact(number: float) -> Fraction:
    # The shortest text that reads as this double is what people wrote, up to 17 digits.
    return Fraction(repr(number))


def _cases(cases: Sequence[dict[str, Any]]) -> Axis:
    pointers = tuple(cases[0])
    if not pointers:
        raise refused(f"{_CASES}/0", "must set at least one input")
    for at, case in enumerate(cases):
        if case.keys() != cases[0].keys():
            raise refused(f"{_CASES}/{at}", f"must set the same inputs as the first case does: {', '.join(pointers)}")
        refuse_numbers(f"{_CASES}/{at}", case)
    return Axis(_CASES, pointers, [tuple(case[pointer] for pointer in pointers) for case in cases])


def _zipped(axes: Sequence[Axis]) -> Axis:
    """One axis of several, the first place of each with the first of the others."""
    if len({len(axis.places) for axis in axes}) > 1:
        lengths = ", ".join(f"{' and '.join(axis.pointers)} has {len(axis.places)}" for axis in axes)
        raise refused(f"{PLACE}/combine", f"is zip, which needs as many values for each: {lengths}")
    pointers = tuple(chain.from_iterable(axis.pointers for axis in axes))
    places = [tuple(chain.from_iterable(together)) for together in zip(*(axis.places for axis in axes), strict=True)]
    return Axis(axes[0].source if len(axes) == 1 else PLACE, pointers, places)


def _refuse_inputs_given_twice(spec: SweepSpec) -> None:
    """Refuse an input that two axes set, or that lies within what another one sets: one would undo the other."""
    given: dict[tuple[str, ...], str] = {}
    for place, pointer in _places_of_pointers(spec):
        tokens = split_pointer(pointer)
        for other, known in given.items():
            if tokens[: len(other)] == other or other[: len(tokens)] == tokens:
                raise refused(
                    place, f"sets the same input as {known}" if tokens == other else f"overlaps {known}; set one of both"
                )
        given[tokens] = pointer


def _places_of_pointers(spec: SweepSpec) -> list[tuple[str, str]]:
    parameters = [(join_pointer(f"{PLACE}/parameters", pointer), pointer) for pointer in spec.parameters]
    return parameters + [(join_pointer(f"{_CASES}/0", pointer), pointer) for pointer in (spec.cases[0] if spec.cases else ())]


def _refuse_repeated_places(axis: Axis) -> None:
    """Refuse a value that stands twice on an axis: the same run would be made twice, and count twice."""
    seen: dict[bytes, int] = {}
    for at, place in enumerate(axis.places):
        before = seen.setdefault(canonical_json(place), at)
        if before != at:
            raise refused(axis.source, f"has the same at {at} as at {before}, counted from 0: {_written(axis, at)}")


def _written(axis: Axis, at: int) -> str:
    return ", ".join(f"{pointer} = {value!r:.60}" for pointer, value in zip(axis.pointers, axis.places[at], strict=True))


def _limit(most: int) -> str:
    return f"a sweep has at most {most:,} points, as OPS_MAX_SWEEP_POINTS says"


def _counted(count: int) -> str:
    return f"{count:,}" if count <= _LARGEST_COUNT else f"more than {_LARGEST_COUNT:,}"
