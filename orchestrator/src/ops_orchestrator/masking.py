"""Keeps secrets out of records, logs and messages: a value whose name says that it is one is shown as `***`."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

MASK: Final = "***"

_SECRET: Final = re.compile(r"auth(?!ors?$|ority)|token|secret|passw|api[-_]?key|credential|cookie|session|signature", re.IGNORECASE)


def is_secret(name: str) -> bool:
    """Does the name of a header or a query parameter say that its value is a secret?"""
    return _SECRET.search(name) is not None


def masked(values: Mapping[str, str]) -> dict[str, str]:
    """`values` with the secret ones masked."""
    return {name: MASK if is_secret(name) else value for name, value in values.items()}


def masked_url(url: str) -> str:
    """`url` with the secret parameters of its query masked; nothing else of it is changed."""
    parts = urlsplit(url)
    parameters = parse_qsl(parts.query, keep_blank_values=True)
    if not any(is_secret(name) for name, _ in parameters):
        return url
    shown = [(name, MASK if is_secret(name) else value) for name, value in parameters]
    return urlunsplit(parts._replace(query=urlencode(shown, safe=MASK)))
