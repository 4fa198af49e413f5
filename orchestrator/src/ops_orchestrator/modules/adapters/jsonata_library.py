"""What is used of jsonata-python, imported without its side effect."""

import sys
from typing import Any

_limit = sys.getrecursionlimit()

from jsonata import functions, jsonata  # noqa: E402  # see the end
from jsonata.jexception import JException  # noqa: E402
from jsonata.regex_engine import RegexFlags  # noqa: E402
from jsonata.utils import Utils  # noqa: E402

_Library: Any = jsonata.Jsonata
_Functions: Any = functions.Functions


class Jsonata(_Library):  # type: ignore[misc]  # untyped
    """The library's interpreter, which leaves what it is given as it is."""

    def evaluate_group_expression(self, expr: Any, input: Any, environment: Any) -> Any:  # noqa: A002  # the library's name
        """As the library does it, which would put an entry into an empty list of ours."""
        empty = isinstance(input, list) and not input
        return super().evaluate_group_expression(expr, Utils.create_sequence() if empty else input, environment)


__all__ = ["JException", "Jsonata", "RegexFlags", "Utils"]

# On import it lifts the recursion limit of the whole process to 10,000; the usual one bounds how deep an expression may go.
sys.setrecursionlimit(_limit)

# Where a value is called that is no function, it prints that value, into what is our log and may not hold it.
vars(jsonata)["print"] = lambda *_: None

_string = _Functions.string


def _exact_string(value: Any, prettify: Any = None) -> Any:
    """`$string`, which the library does in 15 digits; integers of JSON have up to 16."""
    return str(value) if type(value) is int else _string(value, prettify)


_Functions.string = staticmethod(_exact_string)
_Library.define_function("string", "<x-b?:s>")
