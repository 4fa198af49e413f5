"""Parameters and headers that would silently be passed over, or read as something that nobody wrote."""

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Annotated, Final

from fastapi import Request
from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from ops_contract import MAX_PROBLEMS, Problem, suggestion
from ops_orchestrator.errors import InvalidRequestError

_MOST_DIGITS: Final = 15


def refuse_unusable_parameters(request: Request, known: Sequence[str], where: str, repeatable: Collection[str] = ()) -> None:
    """Raise InvalidRequestError for parameters that are not `known`, and for those given twice that are not `repeatable`.

    A filter that is misspelt would silently leave nothing out, and of two the first would be dropped. `where` is what takes
    the parameters, for the message.
    """
    given = Counter(name for name, _ in request.query_params.multi_items())
    unusable = [name for name, count in given.items() if name not in known or (count > 1 and name not in repeatable)]
    if unusable:
        problems = [Problem(name, _why_unusable(name, known, where)) for name in unusable[:MAX_PROBLEMS]]
        raise InvalidRequestError("A parameter cannot be used.", problems, len(unusable))


def refuse_repeated_header(request: Request, name: str) -> None:
    """Raise InvalidRequestError when a header that has one value is given more than once."""
    if len(request.headers.getlist(name)) > 1:
        raise InvalidRequestError("A header cannot be used.", [Problem(name, "is given more than once")])


def _why_unusable(name: str, known: Sequence[str], where: str) -> str:
    if name in known:
        return "is given more than once"
    return f"is not a parameter of this {where}; {suggestion(name, known) or 'it takes ' + ', '.join(known)}"


def _digits(value: object) -> object:
    if isinstance(value, str) and not (value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS):
        raise PydanticCustomError("digits", "must be a whole number written in digits")
    return value


WholeNumber = Annotated[int, BeforeValidator(_digits)]
"""A number as it is written in digits alone; `1_0`, `+5` and `1.0` are not."""
