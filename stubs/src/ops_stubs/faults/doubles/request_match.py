"""Which requests an answer is for, or a test asks about."""

from collections.abc import Iterator
from typing import Annotated, Any, Final, Self

from pydantic import Field, StringConstraints, model_validator

from ops_contract import ABSENT, Difference, resolve_pointer
from ops_stubs.faults.doubles.condition import Condition, Pointer, Settings
from ops_stubs.faults.exchange import Received

__all__ = ["HeaderName", "RequestMatch", "differences_as_json", "phrase", "value_at"]

_CONDITIONS: Final = 20
_PATTERNS: Final = 10
_DIFFERENCES_SHOWN: Final = 20
_VALUE_CHARACTERS: Final = 80

HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$", to_lower=True)]
"""The name of a header, in lower case."""


class RequestMatch(Settings):
    """Conditions that all have to hold; without any, every request to `/execute` matches.

    Pointers in `inputs` begin there, those in `body` at the body.
    """

    method: Condition | None = None
    path: Condition = Condition(equals="/execute")
    action: Condition | None = None
    seed: Condition | None = None
    headers: Annotated[dict[HeaderName, Condition], Field(max_length=_CONDITIONS)] = Field(default_factory=dict)
    inputs: Annotated[dict[Pointer, Condition], Field(max_length=_CONDITIONS)] = Field(default_factory=dict)
    body: Annotated[dict[Pointer, Condition], Field(max_length=_CONDITIONS)] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _few_patterns(self) -> Self:
        if self.pattern_count > _PATTERNS:
            raise ValueError(f"has {self.pattern_count} regular expressions; a match may have {_PATTERNS}")
        return self

    @property
    def pattern_count(self) -> int:
        """How many regular expressions this compares with."""
        parts = (self.method, self.path, *self.headers.values(), *(condition for _, condition in self._of_body()))
        return sum(condition is not None and condition.matches is not None for condition in parts)

    def differences(self, received: Received) -> list[Difference]:
        """Where a request is not what this asks for: a pointer into the body, or `method`, `path` or `header NAME`."""
        parts = [("method", self.method, received.method), ("path", self.path, received.path)]
        headers = ((f"header {name}", condition, _header(received, name)) for name, condition in self.headers.items())
        body = ((pointer, condition, value_at(received.value, pointer)) for pointer, condition in self._of_body())
        asked = [*parts, *headers, *body]
        found = (condition.difference(where, actual) for where, condition, actual in asked if condition is not None)
        return [difference for difference in found if difference is not None]

    def _of_body(self) -> Iterator[tuple[str, Condition]]:
        if self.action is not None:
            yield "/action", self.action
        if self.seed is not None:
            yield "/options/seed", self.seed
        for pointer, condition in self.inputs.items():
            yield f"/inputs{pointer}", condition
        yield from self.body.items()


def value_at(body: Any, pointer: str) -> Any:
    """The value at a pointer into a body, `ABSENT` where there is none."""
    if body is None:
        return ABSENT  # no body, or one that is not JSON
    try:
        return resolve_pointer(body, pointer)
    except LookupError:
        return ABSENT


def differences_as_json(differences: list[Difference]) -> list[dict[str, Any]]:
    """The first differences, for an answer in JSON."""
    shown = (each.as_json("expected", "actual", longest=_VALUE_CHARACTERS) for each in differences[:_DIFFERENCES_SHOWN])
    return [{"where": each.pop("pointer"), **each} for each in shown]


def phrase(difference: Difference) -> str:
    """One difference in words."""
    return f"{difference.pointer or 'the body'} ({difference.phrase('expected', 'got')})"


def _header(received: Received, name: str) -> Any:
    values = [value for key, value in received.headers if key == name]
    return ", ".join(values) if values else ABSENT
