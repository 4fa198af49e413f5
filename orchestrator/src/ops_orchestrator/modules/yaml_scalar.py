"""What a plain scalar of a YAML file means: what it means in JSON, or text.

YAML 1.1, which many readers follow, takes NO for false, 010 for 8 and 1:30 for 90; YAML 1.2 takes 0o10 and 08 for 8. Such a
text is refused wherever it stands: its writer meant something else, and a reader of the file may take it for either.
"""

import math
import re
from typing import Any, Final

import yaml

from ops_contract import NumberError, check_numbers

_PREFIX: Final = "tag:yaml.org,2002:"
_NULLS: Final = ("", "~", "null")
_BOOLEANS: Final = {"true": True, "false": False}
_INTEGER: Final = re.compile(r"-?(0|[1-9][0-9]*)")
_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_NUMBER_IN_YAML_1_2: Final = re.compile(r"0o[0-7]+|[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_LONGEST_NUMBER: Final = 100
_SCALARS: Final = yaml.SafeLoader("")


class AmbiguousScalarError(ValueError):
    """A text that readers take for different things; the message says for what, and what to write instead."""


def meaning_of(text: str) -> Any:
    """The value of the plain scalar `text`. Raises AmbiguousScalarError."""
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _NUMBER.fullmatch(text):
        return _number(text)
    kind = "float" if _NUMBER_IN_YAML_1_2.fullmatch(text) else _kind_in_yaml_1_1(text)
    if kind in _OTHERWISE:
        meant, instead = _OTHERWISE[kind]
        raise AmbiguousScalarError(
            f"some readers of YAML take {text[:60]} for {meant}; write {instead}, or quote it if it is text"
        )
    return text


_OTHERWISE: Final = {
    "bool": ("true or false", "true or false"),
    "int": ("another number", "decimal digits"),
    "float": ("another number", "decimal digits, such as 0.5"),
    "null": ("nothing", "null"),
    "timestamp": ("a date", "the value that is meant"),
}


def _number(text: str) -> int | float:
    number = math.inf if len(text) > _LONGEST_NUMBER else int(text) if _INTEGER.fullmatch(text) else float(text)
    try:
        check_numbers(number)
    except NumberError as error:
        message = f"some readers of JSON would change the number {text[:60]}; write a smaller one, or quote it if it is text"
        raise AmbiguousScalarError(message) from error
    return number


def _kind_in_yaml_1_1(text: str) -> str:
    tag: str = _SCALARS.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]  # untyped in its stubs
    return tag.removeprefix(_PREFIX)
