"""What a person asks for: the body of `POST /plan_and_execute`."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from ops_contract import (
    MAX_VALUES,
    ContractModel,
    Identifier,
    JsonError,
    NumberError,
    Problem,
    Seed,
    ShapeError,
    TooManyValuesError,
    check_numbers,
    parse_json,
    problems_of,
    validate,
)
from ops_orchestrator.errors import InvalidRequestError
from ops_orchestrator.planning.labels import Labels
from ops_orchestrator.planning.pins import Pins

_SHORTEST_RUN_S: Final = 0.001
_LONGEST_RUN_S: Final = 30 * 24 * 60 * 60
_MOST_FIELDS: Final = 1000
_WITH: Final = "with"


class Closed(ContractModel):
    """A model that refuses unknown fields: a typo would silently change a result."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _few_fields(cls, value: Any) -> Any:
        # Every unknown field is a problem of its own, and a body has room for a hundred thousand.
        if isinstance(value, dict) and len(value) > _MOST_FIELDS:
            known = [field.alias or name for name, field in cls.model_fields.items()]
            raise PydanticCustomError("complete", f"has {len(value)} fields; known are {', '.join(known)}")
        return value


class RunOptions(Closed):
    """What holds for the whole run."""

    seed: Seed = 0
    save_artifacts: Annotated[bool, Field(description="false keeps the artifacts' hashes but no files")] = True
    labels: Labels = Field(default_factory=dict, description="to find the run by", examples=[{"study": "vat-2026"}])
    deadline_s: Annotated[
        float | None,
        Field(ge=_SHORTEST_RUN_S, le=_LONGEST_RUN_S, description="seconds that the whole run may take", examples=[600]),
    ] = None
    pin: Pins = Field(
        default_factory=dict,
        description="by module, the version that it must have; another is refused",
        examples=[{"policy-simulator": "1.2.0"}],
    )

    @model_serializer
    def as_json(self) -> dict[str, Any]:
        """The options as a record keeps them; labels, deadline and pins only where they are given."""
        pin = {name: pin.as_json() for name, pin in self.pin.items()}
        found = {"labels": self.labels or None, "deadline_s": self.deadline_s, "pin": pin or None}
        given = {name: value for name, value in found.items() if value is not None}
        return {"seed": self.seed, "save_artifacts": self.save_artifacts} | given


class StepRequest(Closed):
    """One entry of `modules`. A bare name stands for `{"module": name}`, and is how such an entry is written down."""

    module: Identifier
    action: Annotated[Identifier | None, Field(description="`execute`, or the module's only action, unless given")] = None
    id: Annotated[Identifier | None, Field(description="key of the step's results; the module's name unless given")] = None
    inputs: Annotated[
        dict[str, Any], Field(default_factory=dict, description="merged over the scenario's (RFC 7396): null takes one away")
    ]
    bindings: Annotated[
        dict[str, Identifier],
        Field(
            alias=_WITH,
            default_factory=dict,
            max_length=100,
            description="by role, the earlier step that meets a need of the module; the latest that fits unless given",
            examples=[{"assessment": "a1"}],
        ),
    ]

    @property
    def step_id(self) -> str:
        """The key of the step's results, artifacts and log lines."""
        return self.id or self.module

    @model_serializer
    def as_json(self) -> Any:
        """The entry as it was asked for."""
        given = {
            _WITH if name == "bindings" else name: value
            for name, value in vars(self).items()
            if name in self.model_fields_set and value is not None
        }
        return self.module if given.keys() == {"module"} else given


def _named(value: Any) -> Any:
    """Read a bare name as an entry; the error stands where the name does, not at a field that nobody wrote."""
    if isinstance(value, dict | StepRequest):
        return value
    if not isinstance(value, str):
        raise PydanticCustomError("step", "must be the name of a module or an object")
    try:
        return StepRequest.model_validate({"module": value})
    except ValidationError as error:
        raise PydanticCustomError("complete", "{reason}", {"reason": problems_of(error)[0].message}) from error


def _not_empty(steps: tuple[StepRequest, ...]) -> tuple[StepRequest, ...]:
    # `min_length` would also complain about a list whose entries are all wrong.
    if not steps:
        raise PydanticCustomError("complete", "must name at least one module; the list is empty")
    return steps


class Scenario(Closed):
    """A scenario request, as in the seed."""

    scenario_id: Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=200)]
    modules: Annotated[
        tuple[Annotated[StepRequest, BeforeValidator(_named, json_schema_input_type=Identifier | StepRequest)], ...],
        Field(strict=False, max_length=100, fail_fast=True, json_schema_extra={"minItems": 1}),
        AfterValidator(_not_empty),
    ]
    inputs: Annotated[dict[str, Any], Field(default_factory=dict, description="passed to every module")]
    run_options: RunOptions = RunOptions()

    def as_json(self) -> dict[str, Any]:
        """The scenario as a record keeps it; its inputs are not copied, since they may be large."""
        return {
            "scenario_id": self.scenario_id,
            "modules": [step.as_json() for step in self.modules],
            "inputs": self.inputs,
            "run_options": self.run_options.as_json(),
        }


AnyScenario = TypeVar("AnyScenario", bound=Scenario)


def read_scenario(body: bytes, *, max_values: int = MAX_VALUES) -> Scenario:
    """Make a scenario of a request body.

    Raises InvalidRequestError: 400 for bad JSON, 413 for more than `max_values` values, 422 with pointers for the rest.
    """
    return read_as(Scenario, body, "scenario", max_values=max_values)


def read_as(model: type[AnyScenario], body: bytes, subject: str, *, max_values: int = MAX_VALUES) -> AnyScenario:
    """Make a `model` of a request body; `subject` names it in messages. Raises as `read_scenario` does."""
    try:
        value = parse_json(body, max_values=max_values)
    except TooManyValuesError as error:
        allowed = f"{error.limit} JSON values, keys included, that OPS_MAX_REQUEST_VALUES allows"
        raise InvalidRequestError(f"The {subject} holds more than the {allowed}.", status=413) from error
    except JsonError as error:
        raise InvalidRequestError(f"This is not JSON as it should be: {error}.", status=400) from error
    try:
        scenario = validate(model, value, subject)
    except ShapeError as error:
        message = f"The {subject} does not have the right shape."
        raise InvalidRequestError(message, error.problems, error.problem_count) from error
    refuse_numbers("/inputs", scenario.inputs)
    for index, step in enumerate(scenario.modules):
        refuse_numbers(f"/modules/{index}/inputs", step.inputs)
    return scenario


def merged(inputs: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """`inputs` with `patch` merged over them (RFC 7396): objects key by key, null takes a key away, the rest is replaced."""
    result = dict(inputs)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            below = result.get(key)
            result[key] = merged(below if isinstance(below, dict) else {}, value)
        else:
            result[key] = value
    return result


def refuse_numbers(pointer: str, inputs: Any) -> None:
    """Raise InvalidRequestError for a number in `inputs`, which stand at `pointer`, that JSON cannot carry safely."""
    try:
        check_numbers(inputs)
    except NumberError as error:
        problem = Problem(f"{pointer}{error.pointer}", error.reason)
        raise InvalidRequestError("The inputs hold a number that JSON cannot carry safely.", [problem]) from error
