"""How transport faults are written: `latency:ms=200,first=2` for people, an object with the same fields for programs."""

import contextlib
from collections.abc import Mapping
from typing import Any, Final

from ops_contract import suggestion
from ops_stubs.errors import FaultError
from ops_stubs.faults.plan import Plan
from ops_stubs.faults.transport import KINDS, Kind, Parameter, TransportFault

__all__ = ["fault_of_json", "parse_fault"]

_PLAN_NUMBERS: Final = {"skip": 0, "first": 1, "every": 1}
"""The numbers of a plan, and the smallest that each can be."""

_RANGES: Final = {
    ("status", "code"): (400, 599),
    ("redirect", "code"): (300, 399),
    ("truncate", "share"): (0, 1),
    ("drip", "bytes"): (1, 2**20),
    ("oversized", "mib"): (0, 1024),
    ("gzip-bomb", "mib"): (0, 1024),
}
"""What numbers may be, where that is not 0 to a billion."""

_ANY: Final = (0, 1_000_000_000)


def parse_fault(text: str) -> TransportFault:
    """Read `KIND` or `KIND:NAME=VALUE,...`. Raises FaultError."""
    name, _, rest = text.strip().partition(":")
    fields: dict[str, Any] = {}
    for part in rest.split(",") if rest else ():
        key, equals, value = part.partition("=")
        if not equals:
            raise FaultError(f"{part!r} in {text!r} must be NAME=VALUE, as in latency:ms=200,first=2")
        fields[key.strip()] = value.strip()
    return _fault(name.strip(), fields)


def fault_of_json(value: Any) -> TransportFault:
    """Read a string as `parse_fault` does, or an object with `kind` and the same fields. Raises FaultError."""
    match value:
        case str():
            return parse_fault(value)
        case {"kind": str(kind)}:
            return _fault(kind, {name: field for name, field in value.items() if name != "kind"})
    raise FaultError('a fault must be a string such as "latency:ms=200" or an object such as {"kind": "latency", "ms": 200}')


def _fault(name: str, fields: Mapping[str, Any]) -> TransportFault:
    kind = KINDS.get(name)
    if kind is None:
        hint = suggestion(name, KINDS) or "`ops-stubs faults` lists them"
        raise FaultError(f"no fault is called {name!r}; {hint}")
    parameters: dict[str, Parameter] = dict(kind.defaults)
    plan: dict[str, Any] = {}
    for field, value in fields.items():
        if field == "path":
            plan[field] = _path(value)
        elif field in _PLAN_NUMBERS:
            plan[field] = int(_number(field, value, 0, (_PLAN_NUMBERS[field], _ANY[1])))
        else:
            parameters[field] = _parameter(kind, field, value)
    return TransportFault(kind, parameters, Plan(**plan))


def _parameter(kind: Kind, name: str, value: Any) -> Parameter:
    if name not in kind.defaults:
        known = (*kind.defaults, "path", *_PLAN_NUMBERS)
        hint = suggestion(name, known) or f"it takes {', '.join(known)}"
        raise FaultError(f"{kind.name} takes no {name!r}; {hint}")
    default = kind.defaults[name]
    if isinstance(default, str):
        if not isinstance(value, str) or not value or not value.isprintable() or not value.isascii():
            raise FaultError(f"{name} of {kind.name} must be printable text, not {value!r}")
        return value
    return _number(name, value, default, _RANGES.get((kind.name, name), _ANY))


def _number(name: str, value: Any, like: float, allowed: tuple[int, int]) -> int | float:
    """The number that `value` is, or is written as, of the type of `like`."""
    wanted, kinds = ("an integer", int) if isinstance(like, int) else ("a number", int | float)
    smallest, largest = allowed
    number: Any = value
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            number = type(like)(value)
    if isinstance(number, bool) or not isinstance(number, kinds) or not smallest <= number <= largest:
        raise FaultError(f"{name} must be {wanted} from {smallest} to {largest}, not {value!r}")
    return type(like)(number)


def _path(value: Any) -> str:
    if not isinstance(value, str) or not value.startswith("/"):
        raise FaultError(f"path must begin with a slash, as in path=/health, not {value!r}")
    return value
