"""Keeps secrets out of records, logs and messages: a value whose name says that it is one is shown as `***`."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, quote, quote_plus, unquote_plus, urlsplit, urlunsplit

MASK: Final = "***"

_SECRET: Final = re.compile(
    r"auth(?!ors?$|ority)|token|secret|passw|passphrase|pwd|jwt|credential|cookie|session|signature|(^|[-_])sig$"
    r"|(api|access|account|private|shared|subscription)[-_]?key|^key$",
    re.IGNORECASE,
)


def is_secret(name: str) -> bool:
    """Does the name of a header or a query parameter say that its value is a secret?"""
    return _SECRET.search(name) is not None


def masked(values: Mapping[str, str]) -> dict[str, str]:
    """`values` with the secret ones masked."""
    return {name: MASK if is_secret(name) else value for name, value in values.items()}


def masked_url(url: str) -> str:
    """`url` with the secret parameters of its query masked; nothing else of it is changed."""
    parts = urlsplit(url)
    parameters = [parameter.partition("=") for parameter in parts.query.split("&")]
    secret = [bool(equals) and is_secret(unquote_plus(name)) for name, equals, _ in parameters]
    if not any(secret):
        return url
    pairs = zip(parameters, secret, strict=True)
    shown = [name + equals + (MASK if hidden else value) for (name, equals, value), hidden in pairs]
    return urlunsplit(parts._replace(query="&".join(shown)))


def masked_text(text: str, url: str) -> str:
    """`text` with the secret values of the query of `url` masked, however they are written."""
    for name, value in parse_qsl(urlsplit(url).query):
        if is_secret(name):
            for written in {value, quote(value, safe=""), quote_plus(value)}:
                text = text.replace(written, MASK)
    return text
