"""The versions of modules that a run insists on."""

from typing import Annotated, Any, Final

from pydantic import BeforeValidator, ConfigDict, Field, model_serializer, model_validator
from pydantic_core import PydanticCustomError

from ops_contract import ContractModel, Identifier

_MOST_PINS: Final = 100
_Text = Annotated[str, Field(min_length=1, max_length=200)]


class ModulePin(ContractModel):
    """What a module must be. A version alone stands for `{"version": version}`, and is how such a pin is written down."""

    model_config = ConfigDict(extra="forbid")

    version: Annotated[_Text | None, Field(description="the version that the module states")] = None
    image_digest: Annotated[_Text | None, Field(description="the digest of its image, as modules.yaml has it")] = None

    @model_validator(mode="after")
    def _says_something(self) -> "ModulePin":
        if self.version is None and self.image_digest is None:
            raise PydanticCustomError("complete", "must have a version or an image_digest")
        return self

    @model_serializer
    def as_json(self) -> Any:
        """The pin as a record keeps it."""
        given = {name: value for name, value in vars(self).items() if value is not None}
        return self.version if given.keys() == {"version"} else given


def _read(value: Any) -> Any:
    if isinstance(value, str):
        return {"version": value}
    if isinstance(value, dict | ModulePin):
        return value
    raise PydanticCustomError("complete", "must be a version, or an object with version or image_digest")


def _check_number(pins: Any) -> Any:
    # Before its entries are looked at: each that is wrong is a problem of its own.
    if isinstance(pins, dict) and len(pins) > _MOST_PINS:
        raise PydanticCustomError("complete", f"has {len(pins)} modules; a run pins at most {_MOST_PINS}")
    return pins


Pins = Annotated[
    dict[Identifier, Annotated[ModulePin, BeforeValidator(_read, json_schema_input_type=_Text | ModulePin)]],
    BeforeValidator(_check_number),
    Field(json_schema_extra={"maxProperties": _MOST_PINS}),
]
"""By module, its pin; at most 100."""
