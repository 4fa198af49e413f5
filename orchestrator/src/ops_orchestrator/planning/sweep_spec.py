"""What a sweep asks for, as it stands in a scenario's file under `sweep`."""

import json
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, PlainValidator, ValidationError
from pydantic_core import PydanticCustomError

from ops_contract import Seed, problems_of
from ops_orchestrator.planning.input_pointer import PointerError, check_pointer
from ops_orchestrator.planning.labels import PLAIN_TEXT
from ops_orchestrator.planning.scenario import Closed, Scenario

MOST_AT_ONCE: Final = 1_000
"""A sweep may ask for so many runs at once."""
LARGEST_SEED: Final = 2**31 - 1
"""See `Seed` of the contract."""

_MOST_PARAMETERS: Final = 32
_MOST_REASONS: Final = 3
_SEEDS_ARE: Final = f"are integers from 0 to {LARGEST_SEED}"


def _checked_pointer(pointer: str) -> str:
    try:
        return check_pointer(pointer)
    except PointerError as error:
        raise PydanticCustomError("pointer", "{reason}", {"reason": str(error)}) from error


def _checked_number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PydanticCustomError("number", "must be a number")
    return value


Pointer = Annotated[str, AfterValidator(_checked_pointer), Field(json_schema_extra={"pattern": "^/"})]
"""A JSON pointer (RFC 6901) into the scenario's inputs."""

Number = Annotated[float, PlainValidator(_checked_number, json_schema_input_type=float)]
"""A number as it was written: an integer stays one."""

_Text = Annotated[str, Field(max_length=200, pattern=PLAIN_TEXT)]


class Range(Closed):
    """Numbers from `from` to `to`, `step` apart; `to` is one of them when it falls on a step."""

    from_: Annotated[Number, Field(alias="from", examples=[0.1])]
    to: Annotated[Number, Field(examples=[0.29])]
    step: Annotated[Number, Field(examples=[0.01])]


def _checked_variation(value: Any) -> Any:
    """A list of values, or a range. A union's messages would be about the form that was not meant, too."""
    if isinstance(value, list):
        return tuple(value)
    if not isinstance(value, dict):
        raise PydanticCustomError("variation", "must be a list of values, or a range with from, to and step")
    try:
        return Range.model_validate(value)
    except ValidationError as error:
        reasons = [f"{problem.pointer.lstrip('/')} {problem.message}" for problem in problems_of(error, Range)]
        raise PydanticCustomError("complete", "{reasons}", {"reasons": "; ".join(reasons[:_MOST_REASONS])}) from error


Variation = Annotated[tuple[Any, ...] | Range, PlainValidator(_checked_variation, json_schema_input_type=list[Any] | Range)]
"""What an input takes."""


def _checked_seeds(value: Any) -> Any:
    """How many seeds, or which."""
    found = [_seed(each) for each in value] if isinstance(value, list) else _seed(value)
    if found is None:
        rule = f"must be a number of seeds, or a list of seeds, which {_SEEDS_ARE}"
        raise PydanticCustomError("seeds", "{rule}", {"rule": rule})
    if not isinstance(found, list):
        return found
    if None in found:
        at = found.index(None)
        problem = f"has {json.dumps(value[at]):.60} at {at}, counted from 0; seeds {_SEEDS_ARE}"
        raise PydanticCustomError("complete", "{problem}", {"problem": problem})
    return tuple(found)


def _seed(value: Any) -> int | None:
    """A seed, or a number of seeds; None for anything else."""
    number = int(value) if isinstance(value, float) and value.is_integer() else value
    is_integer = isinstance(number, int) and not isinstance(number, bool)
    return number if is_integer and 0 <= number <= LARGEST_SEED else None


Seeds = Annotated[
    tuple[int, ...] | int,
    PlainValidator(_checked_seeds, json_schema_input_type=Annotated[int, Field(ge=1)] | list[Seed]),
]
"""The number of seeds, which begin with the scenario's, or a list of them."""


class SweepSpec(Closed):
    """Which inputs are varied, and how. Each combination is a point, and each point is a run."""

    parameters: dict[Pointer, Variation] = Field(
        default_factory=dict,
        max_length=_MOST_PARAMETERS,
        description="by pointer into the inputs, a list of values or a range",
        examples=[{"/policy_parameters/vat_rate": {"from": 0.1, "to": 0.29, "step": 0.01}}],
    )
    cases: Annotated[
        tuple[Annotated[dict[Pointer, Any], Field(max_length=_MOST_PARAMETERS)], ...],
        Field(strict=False, fail_fast=True, description="objects by pointer, each of which sets several inputs together"),
    ] = ()
    combine: Annotated[
        Literal["grid", "zip"], Field(description="every value with every other, or the first with the first and so on")
    ] = "grid"
    seeds: Annotated[
        Seeds | None, Field(description="how many seeds from the scenario's on, or which; every point is run with each")
    ] = None
    labels: dict[Pointer, _Text] = Field(default_factory=dict, max_length=_MOST_PARAMETERS, description="by pointer, a name")
    units: dict[Pointer, _Text] = Field(default_factory=dict, max_length=_MOST_PARAMETERS, description="by pointer, a unit")
    concurrency: Annotated[
        int | None,
        Field(ge=1, le=MOST_AT_ONCE, description="most runs of the sweep at once; OPS_MAX_CONCURRENT_RUNS limits it"),
    ] = None


class SweepScenario(Scenario):
    """A scenario that is run for many values and seeds."""

    sweep: SweepSpec
