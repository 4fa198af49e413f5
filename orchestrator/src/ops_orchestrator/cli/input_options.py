"""`ops run --set POINTER=VALUE`: inputs that are given on the command line in place of the scenario's."""

import json
import re
from collections.abc import Iterable
from typing import Annotated, Any, Final

import typer

from ops_contract import JsonError, NumberError, check_numbers, parse_json
from ops_contract.command_line import say
from ops_orchestrator.errors import ConfigurationError
from ops_orchestrator.planning.input_pointer import PointerError, check_pointer, check_spelling, note_of_new, with_value

Inputs = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="POINTER=VALUE",
        help="Set this input, such as /policy_parameters/vat_rate=0.2; VALUE is JSON, or else text; repeatable.",
    ),
]

# An object, a list, quoted text, a number, also as people or other languages write it, or one of the words of JSON.
_SEEMS_JSON: Final = re.compile(
    r'\s*([{\["]|([-+]?([\d.,_]+(e[-+]?\d+)?|inf|infinity)|nan|null|none|true|false)\s*$)', re.IGNORECASE
)


def with_inputs(scenario: bytes, settings: Iterable[str]) -> bytes:
    """`scenario`, which `read_scenario` accepts, with the inputs that `settings` of `POINTER=VALUE` name.

    Says on standard error when the scenario has no such input. Raises ConfigurationError for what cannot be set.
    """
    pairs = [_pair(text) for text in settings]
    if not pairs:
        return scenario
    value = parse_json(scenario)
    own = inputs = value.get("inputs", {})
    seen: set[str] = set()
    for pointer, given in pairs:
        if pointer in seen:
            raise ConfigurationError(f"--set {pointer} stands twice; an input has one value")
        seen.add(pointer)
        try:
            inputs = with_value(inputs, pointer, given)
            check_spelling(own, pointer)
        except PointerError as error:
            raise ConfigurationError(f"--set {pointer} {error}") from error
        if note := note_of_new(own, pointer):
            say("ops", f"--set {pointer}: {note}")
    return json.dumps({**value, "inputs": inputs}, ensure_ascii=False).encode()


def _pair(text: str) -> tuple[str, Any]:
    pointer, separator, given = text.partition("=")
    if not separator:
        raise ConfigurationError(f"--set {text!r} has no value; write --set POINTER=VALUE")
    try:
        check_pointer(pointer)
        value = _json_or_text(pointer, given)
        check_numbers(value)
    except (PointerError, NumberError) as error:
        reason = error.reason if isinstance(error, NumberError) else str(error)
        raise ConfigurationError(f"--set {pointer[:200]!r} {reason}") from error
    return pointer, value


def _json_or_text(pointer: str, text: str) -> Any:
    try:
        return parse_json(text.encode())
    except UnicodeEncodeError:
        return text
    except JsonError as error:
        if _SEEMS_JSON.match(text):
            say("ops", f"--set {pointer}: the value is set as text, because it is not JSON: {error}")
        return text
