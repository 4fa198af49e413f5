"""What somebody who misspelt a name probably meant."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

__all__ = ["nearest", "suggestion"]

# The time that a comparison takes grows with the square of the length, and names come from outside.
_LONGEST: Final = 100


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The one of `known` that is most like `name`, whatever their case, or None when none is like it."""
    by_folded = {candidate.casefold(): candidate for candidate in known}
    found = get_close_matches(name[:_LONGEST].casefold(), by_folded, n=1)
    return by_folded[found[0]] if found else None


def suggestion(name: str, known: Iterable[str]) -> str:
    """The question "did you mean 'x'?" for the one of `known` that is most like `name`; empty when none is like it."""
    found = nearest(name, known)
    return "" if found is None else f"did you mean {found!r}?"
