"""The contract's JSON: strict when read, canonical when hashed."""

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from typing import Any, NoReturn

import rfc8785

from ops_contract._errors import JsonError, NumberError

__all__ = ["MAX_DEPTH", "canonical_json", "fingerprint", "join_pointer", "parse_json", "sha256_hex"]

MAX_DEPTH = 200
"""How deeply arrays and objects may nest. Well below the interpreter's recursion limit, far above any real answer."""

_LARGEST_EXACT_INTEGER = 2**53 - 1
_ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


@dataclass(frozen=True)
class _Place:
    """The place of a value: its last reference token and the place around it.

    A pointer is made of it only when one is reported. Pointers to every value would take space for the keys of a hostile body
    times its items.
    """

    parent: "_Place | None" = None
    token: str | int = ""

    def pointer(self) -> str:
        tokens = []
        place = self
        while place.parent is not None:
            tokens.append(place.token)
            place = place.parent
        return reduce(join_pointer, reversed(tokens), "")


def join_pointer(pointer: str, token: str | int) -> str:
    """Append one reference token to a JSON pointer, escaped as RFC 6901 section 3 says."""
    return f"{pointer}/{str(token).replace('~', '~0').replace('/', '~1')}"


def parse_json(raw: bytes) -> Any:
    """Read one JSON value: UTF-8, no BOM, no duplicate keys, no NaN or Infinity (OPS-EXE-004).

    Raises JsonError with the reason, among them nesting beyond `MAX_DEPTH`, text that is not valid Unicode, and numbers
    beyond a double's range, which Python would read as Infinity.
    """
    if raw.startswith(b"\xef\xbb\xbf"):
        raise JsonError("the text begins with a byte order mark; send UTF-8 without one")
    try:
        value = json.loads(raw.decode(), object_pairs_hook=_object_without_duplicates, parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise JsonError(f"the text is not UTF-8: byte {error.start} is {raw[error.start]:#04x}") from error
    except json.JSONDecodeError as error:
        raise JsonError(f"{error.msg} at line {error.lineno} column {error.colno}") from error
    except RecursionError:
        raise JsonError(f"nested deeper than {MAX_DEPTH} levels") from None
    except ValueError as error:
        # The only other ValueError of `json.loads`: an integer with more digits than the interpreter converts.
        raise JsonError(f"a number is too long: {error}") from error
    check_text = _ESCAPED_SURROGATE.search(raw) is not None
    for place, item, depth in _walk(value):
        if depth > MAX_DEPTH and isinstance(item, dict | list):
            raise JsonError(f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(item, float) and math.isinf(item):
            raise JsonError(f"{place.pointer() or 'the value':.200} is a number beyond the range of a double, about 1.8e308")
        if check_text:
            _refuse_lone_surrogates(place, item)
    return value


def canonical_json(value: Any) -> bytes:
    """Write `value` as RFC 8785 canonical JSON, UTF-8.

    Raises NumberError for NaN, Infinity and integers of 2**53 and more, which canonical JSON cannot carry unchanged.
    """
    try:
        return rfc8785.dumps(value)
    except rfc8785.CanonicalizationError as error:
        for place, item, _ in _walk(value):
            if isinstance(item, int) and not isinstance(item, bool) and abs(item) > _LARGEST_EXACT_INTEGER:
                reason = f"the integer {item} is beyond 2^53 - 1 and would be changed by many readers; send it as a string"
                raise NumberError(place.pointer(), reason) from error
            if isinstance(item, float) and not math.isfinite(item):
                raise NumberError(place.pointer(), f"{item} is not a JSON number; leave the field out or send null") from error
        raise


def fingerprint(value: Any) -> str:
    """SHA-256, in lower-case hex, of the canonical JSON of `value`. Raises NumberError as `canonical_json` does."""
    return sha256_hex(canonical_json(value))


def sha256_hex(content: bytes) -> str:
    """SHA-256 of `content` in the contract's notation: 64 lower-case hex digits."""
    return hashlib.sha256(content).hexdigest()


def _object_without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise JsonError(f"the key {twice!r:.80} stands twice in one object")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise JsonError(f"{name} is not JSON; leave the field out or send null")


def _refuse_lone_surrogates(place: _Place, item: Any) -> None:
    for text in (item, *item) if isinstance(item, dict) else (item,):
        if isinstance(text, str):
            try:
                text.encode()
            except UnicodeEncodeError:
                raise JsonError(
                    f"{place.pointer() or 'the text':.200} holds half of a surrogate pair, which is not Unicode text"
                ) from None


def _walk(value: Any) -> Iterator[tuple[_Place, Any, int]]:
    """Every value inside `value`, itself included, with place and depth, from 1. Not recursive: it may be deep."""
    pending: list[tuple[_Place, Any, int]] = [(_Place(), value, 1)]
    while pending:
        place, item, depth = pending.pop()
        yield place, item, depth
        if isinstance(item, dict):
            pending.extend((_Place(place, key), child, depth + 1) for key, child in item.items())
        elif isinstance(item, list | tuple):
            pending.extend((_Place(place, index), child, depth + 1) for index, child in enumerate(item))
