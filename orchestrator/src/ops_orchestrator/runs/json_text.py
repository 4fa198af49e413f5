"""JSON as it stands in a run's folder: its log lines and documents."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import orjson
from pydantic_core import to_json

from ops_contract import terminal_safe

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
        return orjson.dumps(value, vars, option)
    except orjson.JSONEncodeError:
        # It refuses integers beyond 64 bits, among others.
        return to_json(value, indent=2 if option else None)
