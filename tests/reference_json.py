"""A reader of strict JSON written for nothing but to be right, which `parse_json` is compared with."""

import json
import math
from typing import Any, Final, NoReturn

MAX_DEPTH: Final = 200


class RefusedError(Exception):
    """The text is refused; the message is the one that `parse_json` has to give."""


def read(raw: bytes) -> Any:
    """The value of `raw`."""
    if raw.startswith(b"\xef\xbb\xbf"):
        raise RefusedError("the text begins with a byte order mark; send UTF-8 without one")
    try:
        value = json.loads(raw.decode(), object_pairs_hook=_object, parse_constant=_refuse_constant, parse_int=_integer)
    except UnicodeDecodeError as error:
        raise RefusedError(f"the text is not UTF-8: byte {error.start} is {raw[error.start]:#04x}") from error
    except json.JSONDecodeError as error:
        raise RefusedError(f"{error.msg.removesuffix(' at')} at line {error.lineno} column {error.colno}") from error
    except RecursionError:
        raise RefusedError(f"nested deeper than {MAX_DEPTH} levels") from None
    _check(value, [])
    return value


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        digits = f"{text[:20]}... has {len(text.lstrip('-')):,} digits"
        raise RefusedError(f"a number is too long: {digits}; send it as a string") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    for key in keys:
        if keys.count(key) > 1:
            raise RefusedError(f"the key {key!r:.80} stands twice in one object")
    return dict(pairs)


def _refuse_constant(name: str) -> NoReturn:
    raise RefusedError(f"{name} is not JSON; leave the field out or send null")


def _check(value: Any, path: list[str]) -> None:
    """Refuse what only the value shows, depth first and in the order of the text."""
    pointer = "".join(f"/{token.replace('~', '~0').replace('/', '~1')}" for token in path)
    if isinstance(value, dict | list) and len(path) >= MAX_DEPTH:
        raise RefusedError(f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, float) and math.isinf(value):
        raise RefusedError(f"{pointer or 'the value':.200} is a number beyond the range of a double, about 1.8e308")
    for text in (value, *value) if isinstance(value, dict) else (value,):
        if isinstance(text, str) and any("\ud800" <= character <= "\udfff" for character in text):
            raise RefusedError(f"{pointer or 'the text':.200} holds half of a surrogate pair, which is not Unicode text")
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for token, item in items:
        _check(item, [*path, str(token)])
