"""The path of an action: text with expressions in braces, such as `/countries/{inputs.country}/risk`."""

import re
from collections.abc import Callable, Collection
from typing import Any, Final
from urllib.parse import quote, unquote

from ops_orchestrator.modules.adapters.expression import Expression

_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
# RFC 3986, section 3.3: what a segment can hold, besides letters, digits and -._~
_IN_A_SEGMENT: Final = "!$&'()*+,;=:@"
_LITERAL: Final = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@%/-]*")


class PathTemplate:
    """A path below a module's address. Raises ValueError, and ExpressionError for the expressions in it."""

    def __init__(self, text: str, names: Collection[str]) -> None:
        self.text = text
        parts = _PLACEHOLDER.split(text)
        literals = parts[::2]
        if not text.startswith("/") or not all(map(_LITERAL.fullmatch, literals)):
            raise ValueError("must be a path like /score or /countries/{inputs.country}/score, without a query")
        if {".", ".."} & set(unquote(text).split("/")) or "%2f" in text.lower():
            raise ValueError("must not hold the segments . and .., nor an encoded slash")
        self._parts: list[str | Expression] = [
            Expression(part, names) if index % 2 else part for index, part in enumerate(parts)
        ]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PathTemplate) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """The expressions between the braces, in order."""
        return tuple(part for part in self._parts if isinstance(part, Expression))

    def filled(self, value_of: Callable[[Expression], Any]) -> str:
        """The path with every expression's value in place, percent-encoded where one segment cannot hold it.

        `value_of` returns an expression's value as text.
        """
        return "".join(
            quote(value_of(part), safe=_IN_A_SEGMENT) if isinstance(part, Expression) else part for part in self._parts
        )
