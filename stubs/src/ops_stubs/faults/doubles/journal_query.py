"""Entries of the journal by method, path, status, action, a value in the body, and number."""

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Final, Self

from pydantic import Field, model_validator

from ops_contract import ABSENT, JsonError, ShapeError, differences, parse_json, validate
from ops_stubs.errors import FaultError
from ops_stubs.faults.doubles.condition import Pointer, Settings
from ops_stubs.faults.doubles.request_match import value_at
from ops_stubs.faults.journal import Entry

__all__ = ["JournalQuery", "read_query"]

_NUMBERS: Final = ("status", "since")


class JournalQuery(Settings):
    """Conditions that all have to hold. `since` is a number: later requests; `value` is that at `pointer`."""

    method: str | None = None
    path: str | None = None
    status: Annotated[int, Field(ge=100, le=599)] | None = None
    action: str | None = None
    pointer: Pointer | None = None
    value: str | None = None
    answer: str | None = None
    since: Annotated[int, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _value_of_something(self) -> Self:
        if self.value is not None and self.pointer is None:
            raise ValueError("has a value and no pointer, which says where it is, as in pointer=/inputs/country&value=DR")
        return self

    def entries(self, entries: Iterable[Entry]) -> list[Entry]:
        """Those of `entries` that are asked for."""
        asked: list[Callable[[Entry], bool]] = [
            lambda entry: self.method is None or entry.method == self.method.upper(),
            lambda entry: self.path is None or entry.path == self.path,
            lambda entry: self.status is None or entry.status == self.status,
            lambda entry: self.answer is None or entry.answer == self.answer,
            lambda entry: self.since is None or entry.number > self.since,
            # The last, because they read the body.
            lambda entry: self.action is None or value_at(entry.received.value, "/action") == self.action,
            self._has_value,
        ]
        return [entry for entry in entries if all(holds(entry) for holds in asked)]

    def _has_value(self, entry: Entry) -> bool:
        if self.pointer is None:
            return True
        found = value_at(entry.received.value, self.pointer)
        if found is ABSENT or self.value is None:
            return found is not ABSENT
        return found == self.value or not any(True for _ in differences(_as_json(self.value), found))


def read_query(parameters: Mapping[str, str]) -> JournalQuery:
    """The query of a URL. Raises FaultError."""
    fields: dict[str, Any] = dict(parameters)
    for name in _NUMBERS:
        if name in fields and fields[name].isascii() and fields[name].isdecimal() and len(fields[name]) < 16:
            fields[name] = int(fields[name])
    try:
        return validate(JournalQuery, fields, "the query")
    except ShapeError as error:
        raise FaultError(str(error)) from error


def _as_json(text: str) -> Any:
    try:
        return parse_json(text.encode())
    except JsonError:
        return text
