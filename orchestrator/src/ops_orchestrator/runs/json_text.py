"""JSON as it stands in a run's folder: its log lines and documents."""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, Final

import orjson
from pydantic import BaseModel, Field
from pydantic_core import to_json

from ops_contract import terminal_safe


def _is_none(value: Any) -> bool:
    return value is None


LEFT_OUT: Final = Field(exclude_if=_is_none)
"""For a field of a model that is written only where it has a value, as if earlier versions had known it."""

LARGEST_INDENTED_BYTES: Final = 128 * 1024
"""A longer document is not indented."""


def json_line(value: Any) -> bytes:
    """A value as one line of JSON, with its newline."""
    return terminal_safe(_written(value)) + b"\n"


def json_text(value: Any) -> bytes:
    """A value as JSON, as short as it can be: fields of models that are not set are left out."""
    return terminal_safe(to_json(value, exclude_none=True))


def json_document(value: Any) -> bytes:
    """A value as it stands in a file: JSON, indented and with a newline unless it is large.

    Indentation makes a text of deep values up to two hundred times as long, and a newline takes a copy of all of it.
    """
    text = _written(value)
    return (
        terminal_safe(text)
        if len(text) > LARGEST_INDENTED_BYTES
        else terminal_safe(_written(value, orjson.OPT_INDENT_2)) + b"\n"
    )


def object_in_pieces(members: Iterable[tuple[str, Iterable[bytes]]]) -> Iterator[bytes]:
    """A JSON object in pieces: its keys, and what their values are made of. For one that is large as a whole."""
    before = b"{"
    for key, value in members:
        yield before + json_text(key) + b":"
        yield from value
        before = b","
    yield b"}"


def _written(value: Any, option: int = 0) -> bytes:
    """A value with finite numbers as JSON, models by their fields."""
    try:
        # Half of the time for the line of an event, a third for a record.
        return orjson.dumps(value, _members, option)
    except orjson.JSONEncodeError:
        # It refuses integers beyond 64 bits, among others.
        return to_json(value, indent=2 if option else None)


def _members(value: Any) -> dict[str, Any]:
    """The fields of a model, as pydantic writes them."""
    members: dict[str, Any] = vars(value)
    left_out = _left_out(value.__class__)
    if not left_out:
        return members
    return {name: member for name, member in members.items() if member is not None or name not in left_out}


@cache
def _left_out(kind: type) -> frozenset[str]:
    fields = kind.model_fields.items() if issubclass(kind, BaseModel) else ()
    return frozenset(name for name, field in fields if field.exclude_if is _is_none)
