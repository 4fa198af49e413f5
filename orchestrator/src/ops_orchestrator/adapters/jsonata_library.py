"""What is used of jsonata-python, imported without its side effect."""

import sys
from typing import Any

_limit = sys.getrecursionlimit()

from jsonata import jsonata  # noqa: E402  # see the end
from jsonata.jexception import JException  # noqa: E402
from jsonata.regex_engine import RegexFlags  # noqa: E402
from jsonata.utils import Utils  # noqa: E402

Jsonata: Any = jsonata.Jsonata

__all__ = ["JException", "Jsonata", "RegexFlags", "Utils"]

# On import it lifts the recursion limit of the whole process to 10,000; the usual one bounds how deep an expression may go.
sys.setrecursionlimit(_limit)

# Where a value is called that is no function, it prints that value, into what is our log and may not hold it.
vars(jsonata)["print"] = lambda *_: None
