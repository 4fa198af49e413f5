"""Keeps secrets out of records, logs and messages: by the name that a value has, and by value wherever it is repeated."""

import base64
import binascii
import html
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache, reduce
from itertools import islice
from typing import Any, Final, Self, TypeVar
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit

import re2
from pydantic import BaseModel
from pydantic_core import to_json

from ops_contract import MASK, is_secret

Value = TypeVar("Value")

_SHORTEST: Final = 6
# Where a message may cut a text that it quotes.
_CUT: Final = re.compile(r"""(\.\.\.|['"])""")
_MOST_CUTS: Final = 100
# Each takes some microseconds, and a module could send millions.
_MOST_FOUND: Final = 10_000
# What a pattern takes grows with its length; a longer secret is found in parts.
_LONGEST_PART: Final = 2_000
_WORDS: Final = frozenset({"basic", "bearer", "digest", "negotiate", "false", "true", "null", "none"})
_CREDENTIALS: Final = re.compile(r"(apikey|basic|bearer|digest|jwt|key|negotiate|token)\s+(?P<token>\S.*)", re.IGNORECASE)
_JSON_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "/": "\\/", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def masked_text(text: str, url: str) -> str:
    """`text` with the secret values of the query of `url` masked, however they are written."""
    for name, value in parse_qsl(urlsplit(url).query):
        if is_secret(name):
            for written in {value, quote(value, safe=""), quote_plus(value)}:
                text = text.replace(written, MASK)
    return text


class TooManySecretsError(Exception):
    """A value repeats secrets so often that masking each would take too long."""

    def __init__(self) -> None:
        super().__init__(f"repeats its secrets more than {_MOST_FOUND:,} times")


@dataclass(frozen=True)
class Secrets:
    """Values that nobody may see. They are found as they are, and escaped as in JSON, HTML or a URL; `of` makes them."""

    values: frozenset[str] = field(default=frozenset(), repr=False)

    @classmethod
    def of(cls, values: Iterable[str]) -> Self:
        """The secrets in `values`: each whole, the credentials after a scheme such as `Bearer`, and what `Basic` encodes.

        A value that could stand in an answer by accident is left out: one with fewer than 6 characters, a number, or a word
        such as `true`.
        """
        distinct = (part for value in values for part in _parts(value.strip()) if _is_distinct(part))
        return cls(frozenset(piece for part in distinct for piece in _pieces(part)))

    def __bool__(self) -> bool:
        return bool(self.values)

    def __or__(self, other: "Secrets") -> "Secrets":
        return Secrets(self.values | other.values)

    def masked_bytes(self, raw: bytes) -> bytes:
        """`raw` with every secret masked; all of it when there are more than 10,000."""
        return _masked_bytes(raw, _pattern(self.values)) if self.values else raw

    def masked_text(self, text: str) -> str:
        """`text` with every secret masked; all of it when there are more than 10,000."""
        return self.masked_bytes(text.encode(errors="surrogatepass")).decode(errors="surrogatepass") if self.values else text

    def masked_message(self, message: str) -> str:
        """`message` with every secret masked, and what is left of one where the message quotes a part of a text."""
        if not self.values:
            return message
        pieces = _CUT.split(self.masked_text(message), maxsplit=_MOST_CUTS)
        return "".join(reduce(_without_part, sorted(self.values), piece) for piece in pieces)

    def masked(self, value: Value) -> Value:
        """A JSON value, or a model of one, with every secret in its texts and keys masked; itself when there is none.

        Raises TooManySecretsError when there are more than 10,000.
        """
        if not self.values:
            return value
        pattern = _pattern(self.values)
        # One search in its text takes a hundredth of a search in each of its parts.
        found = _count(to_json(value), pattern)
        if found > _MOST_FOUND:
            raise TooManySecretsError
        return _masked(value, pattern) if found else value


def _without_part(piece: str, value: str) -> str:
    """A piece of a message without the part of `value` that it is, ends in or begins with, unless that is very short."""
    if len(piece) >= _SHORTEST and piece in value:
        return MASK
    for length in range(min(len(piece), len(value)), _SHORTEST - 1, -1):
        if piece.endswith(value[:length]):
            return piece[:-length] + MASK
        if piece.startswith(value[-length:]):
            return MASK + piece[length:]
    return piece


def _count(raw: bytes, pattern: Any) -> int:
    """How many secrets there are, counted up to one more than are masked."""
    return sum(1 for _ in islice(pattern.finditer(raw), _MOST_FOUND + 1))


def _masked_bytes(raw: bytes, pattern: Any) -> bytes:
    return MASK.encode() if _count(raw, pattern) > _MOST_FOUND else pattern.sub(MASK.encode(), raw)


def _masked(value: Any, pattern: Any) -> Any:
    match value:
        case str():
            raw = value.encode() if len(value) >= _SHORTEST else b""
            return pattern.sub(MASK.encode(), raw).decode() if pattern.search(raw) else value
        case dict():
            return {_masked(key, pattern): _masked(item, pattern) for key, item in value.items()}
        case list() | tuple():
            return type(value)([_masked(item, pattern) for item in value])
        case BaseModel():
            changed = {name: masked for name, item in value if (masked := _masked(item, pattern)) != item}
            return value.model_copy(update=changed)
        case _:
            return value


def _parts(value: str) -> Iterator[str]:
    yield value
    with suppress(ValueError):  # as it is when a string in an expression was made of it
        yield json.loads(f'"{value}"')
    if credentials := _CREDENTIALS.fullmatch(value):
        token = credentials["token"].strip()
        yield token
        with suppress(binascii.Error, UnicodeDecodeError):
            decoded = base64.b64decode(token, validate=True).decode()
            yield from (decoded, decoded.partition(":")[2])


def _pieces(value: str) -> Iterator[str]:
    """`value`, or what it is made of when it is long; the last piece overlaps, since a very short one could stand anywhere."""
    last = max(len(value) - _LONGEST_PART, 0)
    yield from (value[start : start + _LONGEST_PART] for start in range(0, last, _LONGEST_PART))
    yield value[last:]


def _is_distinct(value: str) -> bool:
    with suppress(ValueError):
        float(value)
        return False
    return len(value) >= _SHORTEST and value.lower() not in _WORDS


@lru_cache(maxsize=256)
def _pattern(values: frozenset[str]) -> Any:
    """Finds each of `values` in bytes, however its characters are escaped."""
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.longest_match = True  # one may begin with another
    options.max_mem = 64 * 1024 * 1024
    return re2.compile("|".join("".join(map(_character, value)) for value in sorted(values)).encode(), options)


def _character(character: str) -> str:
    """A pattern of one character in UTF-8, or escaped."""
    raw = character.encode(errors="surrogatepass")
    units = character.encode("utf-16-be", errors="surrogatepass")
    forms = {character, _JSON_ESCAPES.get(character, character), html.escape(character), "+" if character == " " else character}
    literal = {"".join(f"\\x{byte:02x}" for byte in form.encode(errors="surrogatepass")) for form in forms}
    in_url = "".join(f"%{_hex(f'{byte:02x}')}" for byte in raw)
    in_json = "".join(f"\\\\u{_hex(units[index : index + 2].hex())}" for index in range(0, len(units), 2))
    return f"(?:{'|'.join(sorted(literal))}|{in_url}|{in_json})"


def _hex(digits: str) -> str:
    return "".join(f"[{digit}{digit.upper()}]" for digit in digits)
