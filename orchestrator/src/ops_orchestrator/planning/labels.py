"""The labels of a run, by which people find it again."""

import re
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

MOST_LABELS: Final = 32
"""How many labels a run may have."""
_LONGEST_VALUE: Final = 200
_KEY: Final = r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$"
PLAIN_TEXT: Final = r"^[^\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]*$"
"""Text without controls, line breaks, and what changes the direction of the text around it."""


def _check_key(key: str) -> str:
    if not re.fullmatch(_KEY, key):
        rule = "must be a key of 1 to 63 letters, digits, '.', '_', '-' and '/' that begins with a letter or digit"
        raise PydanticCustomError("label", rule)
    return key


def _check_value(value: str) -> str:
    if not re.fullmatch(PLAIN_TEXT, value):
        raise PydanticCustomError("label", "must be text without control characters")
    return value


def _check_number(labels: Any) -> Any:
    # Before its entries are looked at: each that is wrong is a problem of its own.
    if isinstance(labels, dict) and len(labels) > MOST_LABELS:
        raise PydanticCustomError("complete", f"has {len(labels)} labels; a run has at most {MOST_LABELS}")
    return labels


Labels = Annotated[
    dict[
        Annotated[str, AfterValidator(_check_key)],
        Annotated[str, Field(max_length=_LONGEST_VALUE), AfterValidator(_check_value)],
    ],
    BeforeValidator(_check_number),
    Field(
        json_schema_extra={
            "maxProperties": MOST_LABELS,
            "propertyNames": {"pattern": _KEY},
            "additionalProperties": {"type": "string", "maxLength": _LONGEST_VALUE, "pattern": PLAIN_TEXT},
        }
    ),
]
"""Texts by key, at most 32: keys such as `team/study` have at most 63 characters, values at most 200."""
