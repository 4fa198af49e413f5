"""Keeps secrets out of records, logs and messages: a value whose name says that it is one becomes `***`."""

from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit

from ops_contract import MASK, is_secret


def masked(values: Mapping[str, str]) -> dict[str, str]:
    """`values` with the secret ones masked."""
    return {name: MASK if is_secret(name) else value for name, value in values.items()}


def masked_text(text: str, url: str) -> str:
    """`text` with the secret values of the query of `url` masked, however they are written."""
    for name, value in parse_qsl(urlsplit(url).query):
        if is_secret(name):
            for written in {value, quote(value, safe=""), quote_plus(value)}:
                text = text.replace(written, MASK)
    return text
