"""One request written in several ways: as canonical JSON they are one body, so a module may make no difference between them."""

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

Request = Mapping[str, Any]


def in_another_order(value: Any) -> Any:
    """The same value with the keys of each object in reverse order."""
    if isinstance(value, list):
        return [in_another_order(item) for item in value]
    return {key: in_another_order(value[key]) for key in reversed(value)} if isinstance(value, dict) else value


def _reordered(request: Request) -> bytes:
    return json.dumps(in_another_order(dict(request))).encode()


def _spaced(request: Request) -> bytes:
    spaced = json.dumps(request, indent="\t", separators=(" ,\n", " :  "))
    return f"\r\n {spaced}\n".encode()


def _with_seed_as_fraction(request: Request) -> bytes:
    return json.dumps({**request, "options": {**request["options"], "seed": float(request["options"]["seed"])}}).encode()


def _with_exponents(request: Request) -> bytes:
    return _text(request, number=lambda value: f"{Decimal(repr(value)):e}").encode()


def _escaped(request: Request) -> bytes:
    return _text(request, string=_as_escapes).encode()


WRITINGS: Final[Mapping[str, Callable[[Request], bytes]]] = {
    "with its keys in another order": _reordered,
    "with other white space": _spaced,
    "with the seed written as 42.0": _with_seed_as_fraction,
    "with fractions written with an exponent": _with_exponents,
    "with its characters written as escapes": _escaped,
}
"""By what is different, how to write a request whose seed is 42. Integers in `inputs` stay integers."""


def _text(value: Any, number: Callable[[float], str] = json.dumps, string: Callable[[str], str] = json.dumps) -> str:
    """JSON with another form for numbers that are not integers, or for strings and keys."""
    match value:
        case str():
            return string(value)
        case float():
            return number(value)
        case Mapping():
            return f"{{{','.join(f'{string(key)}:{_text(item, number, string)}' for key, item in value.items())}}}"
        case list() | tuple():
            return f"[{','.join(_text(item, number, string) for item in value)}]"
        case _:
            return json.dumps(value)


def _as_escapes(text: str) -> str:
    units = text.encode("utf-16-be", errors="surrogatepass")
    return '"' + "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2)) + '"'
