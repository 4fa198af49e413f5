"""Values of the request in an answer: `{{ inputs.country }}`, or by pointer `{{ /inputs/country }}`; nothing is computed."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ops_contract import RefusalError, join_pointer, resolve_pointer
from ops_stubs.faults.exchange import Received

__all__ = ["check_templates", "rendered", "values_of"]

_TEMPLATE: Final = re.compile(r"\{\{([^{}]*)\}\}")
_POINTER: Final = re.compile(r"(/([^~/]|~[01])*)+")
_PATH: Final = re.compile(r"[^\s./~]+(\.[^\s./~]+)*")
_MOST: Final = 100
_LONGEST_VALUE: Final = 64 * 1024
_ROOTS: Final = ("action", "inputs", "options", "request", "run_id", "scenario_id", "step_id", "upstream")


def check_templates(value: Any) -> None:
    """Raise ValueError for a template in `value` that could never be filled, and for more than a hundred of them."""
    found = [match[1].strip() for text in _texts(value) for match in _TEMPLATE.finditer(text)]
    if len(found) > _MOST:
        raise ValueError(f"has {len(found)} templates; an answer may have {_MOST}")
    for name in found:
        if not (_POINTER.fullmatch(name) or _PATH.fullmatch(name)) or _root(name) not in _ROOTS:
            raise ValueError(
                f"has the template {{{{ {name[:60]} }}}}; write {{{{ inputs.country }}}} or {{{{ /inputs/country }}}}, "
                f"which begins with one of {', '.join(_ROOTS)}"
            )


def values_of(received: Received) -> dict[str, Any]:
    """What templates can take from a request: the fields of its body, and `request` with method, path and headers."""
    request = {"method": received.method, "path": received.path, "headers": dict(received.headers)}
    body = received.value if isinstance(received.value, dict) else {}
    return {**body, "request": request}


def rendered(value: Any, values: Mapping[str, Any]) -> Any:
    """`value` with every template filled; a text that is one template becomes the value itself, with its type.

    Raises RefusalError, a 500, when the request has no such value.
    """
    if isinstance(value, str):
        return _filled(value, values)
    if isinstance(value, list):
        return [rendered(item, values) for item in value]
    if isinstance(value, dict):
        return {key: rendered(item, values) for key, item in value.items()}
    return value


def _filled(text: str, values: Mapping[str, Any]) -> Any:
    if whole := _TEMPLATE.fullmatch(text):
        return _value(whole[1].strip(), values)
    return _TEMPLATE.sub(lambda match: _as_text(_value(match[1].strip(), values)), text)


def _value(name: str, values: Mapping[str, Any]) -> Any:
    try:
        found = resolve_pointer(values, _pointer(name))
    except LookupError as error:
        message = f"the staged answer has the template {{{{ {name} }}}}, and this request has nothing at {_pointer(name)}"
        raise RefusalError(500, "ANSWER_NOT_MADE", message, pointer=_pointer(name)) from error
    if len(json.dumps(found)) > _LONGEST_VALUE:
        message = f"the value at {_pointer(name)} is larger than a template takes, {_LONGEST_VALUE // 1024} KiB"
        raise RefusalError(500, "ANSWER_NOT_MADE", message, pointer=_pointer(name))
    return found


def _pointer(name: str) -> str:
    pointer = ""
    for token in name.split("."):
        pointer = join_pointer(pointer, token)
    return name if name.startswith("/") else pointer


def _root(name: str) -> str:
    return name.removeprefix("/").split("/" if name.startswith("/") else ".")[0]


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)
