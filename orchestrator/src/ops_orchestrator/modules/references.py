"""`${NAME}` and `${NAME:-default}` in a text, taken from the environment."""

import re
from collections.abc import Callable
from typing import Final

_TOKEN: Final = re.compile(r"\$\{(?=[A-Za-z_])|\}")
_DEEPEST: Final = 20
_HEAD: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(:-|)")


class BadReferenceError(ValueError):
    """A reference that cannot be resolved; the message says which, and what to write instead."""


def resolved(text: str, value_of: Callable[[str], str | None]) -> str:
    """`text` with its references replaced by what `value_of` gives for their names; None means that there is no such value.

    A default may hold references, which are looked up only when the default counts. Raises BadReferenceError.
    """
    whole, _ = _until_closed(text, 0, value_of, depth=0)
    return whole


def _until_closed(text: str, at: int, value_of: Callable[[str], str | None], *, depth: int) -> tuple[str, int]:
    """The resolved text from `at` to the brace that closes it, or outside of any reference to its end; and where that is."""
    if depth > _DEEPEST:
        raise BadReferenceError(f"references are nested deeper than {_DEEPEST} levels")
    parts = []
    while found := _TOKEN.search(text, at):
        parts.append(text[at : found.start()])
        if found[0] == "}":
            if depth:
                return "".join(parts), found.start()
            parts.append("}")
            at = found.end()
        else:
            value, at = _reference(text, found.end(), value_of, depth=depth + 1)
            parts.append(value)
    if depth:
        raise BadReferenceError(f"a reference is not closed: {text[-40:]!r} needs another }}")
    return "".join(parts) + text[at:], len(text)


def _reference(text: str, at: int, value_of: Callable[[str], str | None], *, depth: int) -> tuple[str, int]:
    """The value of the reference whose name begins at `at`, and where the text goes on behind it."""
    head = _HEAD.match(text, at)
    assert head is not None  # noqa: S101  # the token is followed by a letter
    name, operator = head.groups()
    if not operator and text[head.end() :] and text[head.end()] != "}":
        raise BadReferenceError(f"{text[at - 2 : at + 40]!r} cannot be read; write ${{{name}}} or ${{{name}:-default}}")
    value = value_of(name)
    # References in a default that does not count need not be set.
    default, end = _until_closed(text, head.end(), value_of if value is None else _ignored, depth=depth)
    if value is None and not operator:
        raise BadReferenceError(f"{name} is not set; set it or write ${{{name}:-default}}")
    return (default if value is None else value), end + 1


def _ignored(_: str) -> str:
    return ""
