"""JSON pointers into the inputs of a scenario: what stands there, and inputs in which something else does."""

import re
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from itertools import islice
from typing import Any, Final

from ops_contract import join_pointer, nearest, resolve_pointer, split_pointer

MISSING: Final = object()
"""What stands at a pointer that leads nowhere."""

_LONGEST_POINTER: Final = 1_000
_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,8}")
_BAD_ESCAPE: Final = re.compile(r"~(?![01])")
_MOST_COMPARED: Final = 500
_SAME_BUT_FOR_A_SLIP: Final = 0.85


class PointerError(ValueError):
    """A pointer cannot be written, or nothing can be set where it leads; the message goes on after the pointer."""


def check_pointer(pointer: str) -> str:
    """`pointer` if it is a JSON pointer (RFC 6901) to one of the inputs, and not to all of them. Raises PointerError."""
    if not pointer.startswith("/"):
        raise PointerError("must be a JSON pointer into the inputs, which begins with a slash, such as /country")
    if len(pointer) > _LONGEST_POINTER:
        raise PointerError(f"must have at most {_LONGEST_POINTER} characters")
    if _BAD_ESCAPE.search(pointer):
        raise PointerError("must write ~0 for ~ and ~1 for / within a name")
    return pointer


def value_at(inputs: Mapping[str, Any], pointer: str) -> Any:
    """What stands in `inputs` at `pointer`; MISSING where there is nothing."""
    try:
        return resolve_pointer(inputs, pointer)
    except LookupError:
        return MISSING


def with_value(inputs: Mapping[str, Any], pointer: str, value: Any) -> dict[str, Any]:
    """`inputs` with `value` at `pointer`, and with objects on the way there where there is nothing.

    What is not on the way is shared with `inputs`. Raises PointerError when the way leads through what is not an object, or
    beyond the end of a list.
    """
    changed: dict[str, Any] = _changed(inputs, split_pointer(pointer), value)
    return changed


def check_spelling(inputs: Mapping[str, Any], pointer: str) -> None:
    """Raise PointerError for an input that `inputs` do not have, when they have one of nearly the same name.

    A run in which another input was set than was meant looks like one in which the input has no effect.
    """
    meant = _nearest_to_missing(inputs, pointer)
    if meant and SequenceMatcher(None, pointer, meant).ratio() >= _SAME_BUT_FOR_A_SLIP:
        raise PointerError(
            f"is not an input of the scenario; did you mean {meant}? To add an input of this name, write it into `inputs` first"
        )


def note_of_new(inputs: Mapping[str, Any], pointer: str) -> str:
    """A sentence for a pointer to an input that `inputs` do not have; empty for any other."""
    if value_at(inputs, pointer) is not MISSING:
        return ""
    meant = _nearest_to_missing(inputs, pointer)
    return f"the scenario has no input {pointer}; it is added to the inputs" + (f", or did you mean {meant}?" if meant else "")


def _nearest_to_missing(inputs: Mapping[str, Any], pointer: str) -> str | None:
    """The pointer most like one that leads to nothing in `inputs`; None when it leads to something, or none is like it."""
    missing = value_at(inputs, pointer) is MISSING
    return nearest(pointer, islice(_pointers_in(inputs), _MOST_COMPARED)) if missing else None


def hidden_by(own: Mapping[str, Any], pointer: str) -> bool:
    """Whether inputs of a step's own, merged over the scenario's, take the place of what stands there at `pointer`."""
    found: Any = own
    for token in split_pointer(pointer):
        if not isinstance(found, Mapping):
            return True
        if token not in found:
            return False
        found = found[token]
    return True


def _changed(container: Any, tokens: tuple[str, ...], value: Any) -> Any:
    if not tokens:
        return value
    token, rest = tokens[0], tokens[1:]
    if isinstance(container, Mapping):
        return {**container, token: _changed(container.get(token, {}), rest, value)}
    if isinstance(container, list):
        if not _INDEX.fullmatch(token) or int(token) >= len(container):
            raise PointerError(f"leads to the element {token!r} of a list that has {len(container)}, counted from 0")
        at = int(token)
        return [*container[:at], _changed(container[at], rest, value), *container[at + 1 :]]
    raise PointerError(f"leads to {token!r} within a value that is neither an object nor a list")


def _pointers_in(value: Any, pointer: str = "") -> Iterator[str]:
    """The pointers to all that lies in `value`, the uppermost first."""
    below = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    inner = [(join_pointer(pointer, token), found) for token, found in below]
    yield from (each for each, _ in inner)
    for each, found in inner:
        yield from _pointers_in(found, each)
