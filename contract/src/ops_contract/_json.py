"""The contract's JSON: strict when read, canonical when hashed."""

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final, NoReturn

import rfc8785

from ops_contract._errors import JsonError, NumberError, TooManyValuesError
from ops_contract._quick_json import MAX_DEPTH, MAX_EXACT_INTEGER, UNDECIDED, has_exact_numbers, read_quickly, write_quickly

__all__ = [
    "MAX_VALUES",
    "canonical_json",
    "check_numbers",
    "fingerprint",
    "join_pointer",
    "parse_json",
    "pointer_to",
    "sha256_hex",
    "split_pointer",
]

MAX_VALUES: Final = 250_000
"""How many values a JSON text may hold unless a reader sets another limit. Each key of an object counts as one more value."""

_LONGEST_POINTER: Final = 1000
_ESCAPED_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
# A comma, a colon, and the opening of an array or object that is not empty come before one value each. The quantifiers are
# possessive: they take time linear in the text.
_STRUCTURE: Final = re.compile(rb'[",:]|[\[{](?![ \t\r\n]*+[\]}])')
# No more at once: other threads wait while the library looks at a piece.
_PIECE_BYTES: Final = 64 * 1024
_STRING_PIECE: Final = re.compile(rb'(?:[^"\\]{1,64}+(?:\\.)?+|\\.){1,1000}+', re.DOTALL)
_QUOTATION_MARK: Final = 0x22


def join_pointer(pointer: str, token: str | int) -> str:
    """Append one reference token to a JSON pointer, escaped as RFC 6901 section 3 says."""
    return f"{pointer}/{str(token).replace('~', '~0').replace('/', '~1')}"


def split_pointer(pointer: str) -> tuple[str, ...]:
    """The reference tokens of a JSON pointer, without escapes; none of the empty pointer."""
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:])


def pointer_to(path: Sequence[str | int]) -> str:
    """The JSON pointer of the reference tokens `path`, cut where a long key makes it longer than 1,000 characters."""
    pointer = ""
    for token in path:
        pointer = join_pointer(pointer, token)
        # Here and not at the end: a key may be as long as an answer, and each token copies what is there.
        if len(pointer) > _LONGEST_POINTER:
            return f"{pointer[:_LONGEST_POINTER]}..."
    return pointer


def parse_json(raw: bytes, *, max_values: int = MAX_VALUES) -> Any:
    """Read one JSON value: UTF-8, no BOM, no duplicate keys, no NaN or Infinity (OPS-EXE-004).

    Raises JsonError with the reason, among them nesting beyond `MAX_DEPTH`, text that is not valid Unicode, and numbers
    beyond a double's range, which Python would read as Infinity. More than `max_values` values are a TooManyValuesError,
    raised before any value is made: a value takes up to a hundred times the memory of its text.
    """
    _refuse_more_values(raw, max_values)
    value = read_quickly(raw)
    return _read_strictly(raw) if value is UNDECIDED else value


def canonical_json(value: Any) -> bytes:
    """Write `value` as RFC 8785 canonical JSON, UTF-8.

    Raises NumberError for NaN, Infinity and integers of 2**53 and more, which canonical JSON cannot carry unchanged.
    """
    written = write_quickly(value)
    if written is not None:
        return written
    try:
        return rfc8785.dumps(value)
    except rfc8785.CanonicalizationError as error:
        try:
            check_numbers(value)
        except NumberError as reason:
            raise reason from error
        raise


def check_numbers(value: Any) -> None:
    """Raise NumberError for the first number inside `value` that `canonical_json` cannot write."""
    if has_exact_numbers(value):
        return
    for path, item in _walk(value):
        if isinstance(item, int) and abs(item) > MAX_EXACT_INTEGER:
            reason = f"the integer {item!s:.60} is beyond 2^53 - 1 and would be changed by many readers; send it as a string"
            raise NumberError(pointer_to(path), reason)
        if isinstance(item, float) and not math.isfinite(item):
            raise NumberError(pointer_to(path), f"{item} is not a JSON number; leave the field out or send null")


def fingerprint(value: Any) -> str:
    """SHA-256, in lower-case hex, of the canonical JSON of `value`. Raises NumberError as `canonical_json` does."""
    return sha256_hex(canonical_json(value))


def sha256_hex(content: bytes) -> str:
    """SHA-256 of `content` in the contract's notation: 64 lower-case hex digits."""
    return hashlib.sha256(content).hexdigest()


def _refuse_more_values(raw: bytes, most: int) -> None:
    """Raise TooManyValuesError when `raw` holds more than `most` values.

    Of a text that is not JSON, the part before its first error is counted exactly, and no more than that is ever read.
    """
    # A value takes a byte. The sum counts what is inside of strings, too, and takes a fraction of the time.
    if len(raw) < most or sum(raw.count(mark) for mark in (b",", b":", b"[", b"{")) < most:
        return
    count, at = 1, 0
    while found := _STRUCTURE.search(raw, at):
        at = found.end()
        if raw[found.start()] == _QUOTATION_MARK:
            at = _end_of_string(raw, at)
            continue
        count += 1
        if count > most:
            raise TooManyValuesError(most)


def _end_of_string(raw: bytes, at: int) -> int:
    """Where the text goes on behind the string whose content begins at `at`."""
    while piece := _STRING_PIECE.match(raw, at):
        at = piece.end()
    return at + 1


def _read_strictly(raw: bytes) -> Any:
    if raw.startswith(b"\xef\xbb\xbf"):
        raise JsonError("the text begins with a byte order mark; send UTF-8 without one")
    value = _loaded(raw)
    check_text = _has_escaped_surrogate(raw)
    for path, item in _walk(value):
        if len(path) >= MAX_DEPTH and isinstance(item, dict | list):
            raise JsonError(f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(item, float) and math.isinf(item):
            raise JsonError(f"{pointer_to(path) or 'the value':.200} is a number beyond the range of a double, about 1.8e308")
        if check_text:
            _refuse_lone_surrogates(path, item)
    return value


def _loaded(raw: bytes) -> Any:
    try:
        # A function of Python's for each number lets other threads have their turn: the library reads an array in one go.
        return json.loads(
            raw.decode(),
            object_pairs_hook=_object_without_duplicates,
            parse_constant=_refuse_constant,
            parse_float=_float,
            parse_int=_int,
        )
    except UnicodeDecodeError as error:
        raise JsonError(f"the text is not UTF-8: byte {error.start} is {raw[error.start]:#04x}") from error
    except json.JSONDecodeError as error:
        raise JsonError(f"{error.msg.removesuffix(' at')} at line {error.lineno} column {error.colno}") from error
    except RecursionError:
        raise JsonError(f"nested deeper than {MAX_DEPTH} levels") from None


def _float(text: str) -> float:
    return float(text)


def _int(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:  # more digits than the interpreter converts
        digits = f"{text[:20]}... has {len(text.lstrip('-')):,} digits"
        raise JsonError(f"a number is too long: {digits}; send it as a string") from error


def _object_without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise JsonError(f"the key {twice!r:.80} stands twice in one object")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise JsonError(f"{name} is not JSON; leave the field out or send null")


def _has_escaped_surrogate(raw: bytes) -> bool:
    # Pieces overlap by the length of an escape.
    return any(_ESCAPED_SURROGATE.search(raw, start, start + _PIECE_BYTES + 5) for start in range(0, len(raw), _PIECE_BYTES))


def _refuse_lone_surrogates(path: Sequence[str | int], item: Any) -> None:
    for text in (item, *item) if isinstance(item, dict) else (item,):
        if isinstance(text, str):
            try:
                text.encode()
            except UnicodeEncodeError:
                raise JsonError(
                    f"{pointer_to(path) or 'the text':.200} holds half of a surrogate pair, which is not Unicode text"
                ) from None


def _walk(value: Any) -> Iterator[tuple[Sequence[str | int], Any]]:
    """Every value inside `value`, itself included, with the reference tokens that lead to it, which change with the next step.

    Takes memory for the depth of `value` alone, and does not call itself: a value may be deep.
    """
    path: list[str | int] = []
    yield path, value
    open_items = [_items(value)]
    while open_items:
        found = next(open_items[-1], None)
        if found is None:
            open_items.pop()
            if path:
                path.pop()
            continue
        token, item = found
        path.append(token)
        yield path, item
        if isinstance(item, dict | list | tuple):
            open_items.append(_items(item))
        else:
            path.pop()


def _items(value: Any) -> Iterator[tuple[str | int, Any]]:
    """The reference token and the value of each item directly inside `value`."""
    match value:
        case dict():
            return iter(value.items())
        case list() | tuple():
            return enumerate(value)
    return iter(())
