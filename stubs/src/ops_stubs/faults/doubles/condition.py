"""Conditions on one value of a request: equal, absent, or matching a regular expression."""

import re
from functools import lru_cache
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, TypeAdapter, model_validator
from pydantic_core import SchemaError

from ops_contract import ABSENT, ContractModel, Difference, differences

__all__ = ["Condition", "Pointer", "Settings"]

_POINTER: Final = re.compile(r"(/([^~/]|~[01])*)*")
# A pattern of the worst kind takes some ten milliseconds for as much text.
_LONGEST_TEXT: Final = 2_000


class Settings(ContractModel):
    """Base of what a test writes: an unknown field is a mistake."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


def _check_pattern(pattern: str) -> str:
    # By itself first: "a)|(b" is two halves that only the group around them would make whole.
    for text in (pattern, _whole(pattern)):
        try:
            _compiled(text)
        except SchemaError as error:
            raise ValueError(f"is not a regular expression of Rust's regex crate: {_reason(error)}") from error
    return pattern


def _whole(pattern: str) -> str:
    return rf"\A(?:{pattern})\z"


def _reason(error: SchemaError) -> str:
    """The last line of the reason, without the name of the library's own types."""
    return str(error).strip().splitlines()[-1].strip().removeprefix("error: ").removeprefix("SchemaError: ").rstrip(".")


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> TypeAdapter[str]:
    """A pattern in pydantic's own engine, whose time grows with the length of the text only and never with its backtracking."""
    return TypeAdapter(
        Annotated[str, StringConstraints(pattern=pattern)], config=ConfigDict(regex_engine="rust-regex", strict=True)
    )


def _check_pointer(pointer: str) -> str:
    if not _POINTER.fullmatch(pointer):
        raise ValueError("must be a JSON pointer, as in /country or /policy_parameters/vat_rate")
    return pointer


Pointer = Annotated[str, Field(max_length=500), AfterValidator(_check_pointer)]
"""An RFC 6901 JSON pointer."""

Pattern = Annotated[str, Field(max_length=500), AfterValidator(_check_pattern)]
"""A regular expression that the whole text has to match."""


class Condition(Settings):
    """One condition; anything but an object stands for `{"equals": value}`."""

    equals: Any = None
    absent: bool | None = None
    matches: Pattern | None = None

    @model_validator(mode="before")
    @classmethod
    def _equals(cls, value: Any) -> Any:
        if not isinstance(value, dict | Condition):
            return {"equals": value}
        if isinstance(value, dict) and not value.keys() & cls.model_fields.keys():
            raise ValueError("must have exactly one of equals, absent, matches; an object to compare with goes into equals")
        return value

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = self.model_fields_set
        if len(given) != 1 or (given != {"equals"} and self.absent is None and self.matches is None):
            raise ValueError(f"must have exactly one of equals, absent, matches, not {', '.join(sorted(given)) or 'none'}")
        return self

    def difference(self, where: str, actual: Any) -> Difference | None:
        """Where and how `actual`, `ABSENT` when there is none, is not what this asks for; None when it is."""
        if "equals" in self.model_fields_set:
            found = next(differences(self.equals, actual), None)
            return found and Difference(f"{where}{found.pointer}", found.first, found.second)
        if self.absent is not None:
            return None if self.absent == (actual is ABSENT) else Difference(where, self._asked, actual)
        return None if self._is_matched(actual) else Difference(where, self._asked, actual)

    @property
    def _asked(self) -> dict[str, Any]:
        return self.model_dump(exclude_unset=True)

    def _is_matched(self, actual: Any) -> bool:
        # A validator with a pattern takes text only, and a longer text is not looked at.
        is_short = isinstance(actual, str) and len(actual) <= _LONGEST_TEXT
        return is_short and _compiled(_whole(self.matches or "")).validator.isinstance_python(actual)
