"""What all models of the contract share: strictness, scalar types, and one way to say what is wrong."""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Any, Final, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from ops_contract._errors import MAX_PROBLEMS, Problem, ShapeError
from ops_contract._json import pointer_to
from ops_contract._suggestion import nearest, suggestion

__all__ = ["ContractModel", "Count", "Identifier", "Seed", "Sha256", "Version", "problem_of", "problems_of", "validate"]


class ContractModel(BaseModel):
    """Strict: nothing is coerced (OPS-ERR-005). Unknown fields are ignored (OPS-FWD-001). Instances do not change."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False)


def _integral_float_to_int(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


# JSON has one kind of number, and JSON Schema counts 1.0 as an integer, so a writer may print an integer that way.
Count = Annotated[int, Field(ge=0), BeforeValidator(_integral_float_to_int)]
"""An integer of zero or more."""

Seed = Annotated[int, Field(ge=0, le=2147483647), BeforeValidator(_integral_float_to_int)]
"""The only source of randomness of a run, 0 to 2^31 - 1 (OPS-DET-004)."""

Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=128)]
"""Names of runs, steps, modules and actions. Safe as one segment of a path or a URL (OPS-PTH-001)."""

Version = Annotated[str, Field(pattern=r"^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)$", max_length=16)]
"""A contract version, MAJOR.MINOR, without leading zeros."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""64 lower-case hex digits."""

Model = TypeVar("Model", bound=BaseModel)

_PLAINER: Final = {
    "missing": "is required",
    "extra_forbidden": "is not a known field",
    "int_type": "must be an integer",
    "float_type": "must be a number",
    "string_type": "must be a string",
    "bool_type": "must be true or false",
    "int_parsing": "must be an integer",
    "bool_parsing": "must be true or false",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "list_type": "must be an array",
    "tuple_type": "must be an array",
}


# A hostile object has many keys, and comparing names takes time.
_COMPARED_KEYS: Final = 100
_PREFIX: Final = re.compile("^(Input|String|Value) should")


def validate(model: type[Model], value: Any, subject: str) -> Model:
    """Make a `model` of the JSON value `value`; `subject` names it in the message. Raises ShapeError."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise ShapeError(subject, problems_of(error, model), error.error_count()) from error


def problems_of(error: ValidationError, model: type[BaseModel] | None = None) -> tuple[Problem, ...]:
    """Translate pydantic's errors into problems with a JSON pointer and a sentence each, at most twenty.

    With the `model` that was to be made, a misspelt field comes with the one that was probably meant.
    """
    found = error.errors(include_url=False, include_context=False)[:MAX_PROBLEMS]
    return tuple(problem_of(item, model) for item in found)


def problem_of(error: ErrorDetails, model: type[BaseModel] | None = None) -> Problem:
    """Translate one of pydantic's errors; see `problems_of`."""
    location, kind, value = error["loc"], error["type"], error["input"]
    # A refused key is located at the object, the key, and a token of pydantic's own.
    if len(location) > 1 and location[-1] == "[key]" and location[-2] == value:
        location = location[:-1]
    pointer = pointer_to(location)
    text = _PLAINER.get(kind) or _PREFIX.sub("must", error["msg"].removeprefix("Value error, "))
    if kind in ("missing", "extra_forbidden"):
        text += _meant(model, location, kind, value)
    elif kind == "value_error":
        text += f"; this is {excerpt(value)}" if isinstance(value, str) else ""
    elif kind != "complete":  # for messages that already show the value
        text += f", not {excerpt(value)}"
    return Problem(pointer, text)


def _meant(model: type[BaseModel] | None, location: tuple[int | str, ...], kind: str, value: object) -> str:
    """What to add to a problem for somebody who misspelt a field; empty when nobody seems to have."""
    owner = None if model is None else _model_at(model, location[:-1])
    if owner is None:
        return ""
    name = str(location[-1])
    if kind == "extra_forbidden":
        hint = suggestion(name, _field_names(owner))
        return f"; {hint}" if hint else ""
    # Where unknown fields are refused, the misspelt one has a problem of its own.
    if not isinstance(value, dict) or owner.model_config.get("extra") == "forbid":
        return ""
    unknown = (key for key in value if isinstance(key, str) and key not in _field_names(owner))
    given = nearest(name, islice(unknown, _COMPARED_KEYS))
    return f"; {excerpt(given)} is not a known field" if given else ""


def _field_names(model: type[BaseModel]) -> list[str]:
    """The fields of `model` as they are called in JSON."""
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_at(model: type[BaseModel], location: tuple[int | str, ...]) -> type[BaseModel] | None:
    """The model of the object that `location` leads to; None when more than one may stand there."""
    found = [model]
    for token in location:
        fields = [inner.model_fields[token] for inner in found if isinstance(token, str) and token in inner.model_fields]
        # An index or a key leads to an item of the same type.
        found = [inner for field in fields for inner in _models_in(field.annotation)] if fields else found
    return found[0] if len(found) == 1 else None


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that a value of the type `annotation`, or an item of it, may be."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)


def excerpt(value: Any) -> str:
    """A JSON value for a message: a scalar as it is, shortened, anything else by its kind."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list | tuple):
        return "an array"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
