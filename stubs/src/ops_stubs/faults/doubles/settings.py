"""All that can be staged in a stub at once, as `/__stub/settings` and the file of `--doubles` have it."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from ops_contract import ContractError, ShapeError, parse_json, suggestion, validate
from ops_stubs.errors import FaultError
from ops_stubs.faults.doubles.answers import StagedAnswers
from ops_stubs.faults.staged import Faults
from ops_stubs.faults.syntax import fault_of_json
from ops_stubs.faults.transport import TransportFault
from ops_stubs.faults.violations import violations_of

__all__ = ["MAX_SETTINGS_BYTES", "read_answers", "read_json", "read_staged", "settings_of", "stage_file", "stage_settings"]

MAX_SETTINGS_BYTES: Final = 2**20
"""The largest text of settings that is read: 1 MiB."""

Read = TypeVar("Read")

_FAULTS: Final = ("violate", "faults")
_ANSWERS: Final = ("answers", "states")


def settings_of(faults: Faults) -> dict[str, Any]:
    """What is staged, in the form that `stage_settings` takes."""
    return {**faults.as_json(), **faults.answers.as_json()}


def stage_settings(faults: Faults, settings: Any, *, running: bool = True) -> None:
    """Replace all that is staged. Changes nothing when it raises FaultError.

    In a stub that is `running` already, violations of the process cannot be staged.
    """
    fields = _object(settings, (*_FAULTS, *_ANSWERS))
    violate, transport = read_staged({name: fields[name] for name in _FAULTS if name in fields})
    answers = read_answers({name: fields[name] for name in _ANSWERS if name in fields})
    faults.answers.check(answers)
    if running:
        faults.stage_running(violate, transport)
    else:
        faults.stage(violations_of(violate), transport)
    faults.answers.stage(answers)


def stage_file(faults: Faults, path: Path, *, running: bool = True) -> None:
    """Stage the settings in the file at `path`. Raises FaultError with its name."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_SETTINGS_BYTES + 1)
    except OSError as error:
        raise FaultError(f"{path} cannot be read: {error.strerror}") from error
    if len(raw) > MAX_SETTINGS_BYTES:
        raise FaultError(f"{path} is larger than {MAX_SETTINGS_BYTES} bytes")
    _at(str(path), lambda: stage_settings(faults, read_json(raw), running=running))


def read_json(raw: bytes) -> Any:
    """The JSON value in `raw`. Raises FaultError."""
    try:
        return parse_json(raw)
    except ContractError as error:
        raise FaultError(f"the body is not JSON: {error}") from error


def read_answers(value: Any) -> StagedAnswers:
    """The answers and states in a JSON value. Raises FaultError."""
    try:
        return validate(StagedAnswers, value, "answers")
    except ShapeError as error:
        raise FaultError(str(error)) from error


def read_staged(value: Any) -> tuple[list[str], list[TransportFault]]:
    """The ids and the transport faults in a JSON value; both lists may be left out. Raises FaultError."""
    fields = _object(value, _FAULTS)
    violate, transport = fields.get("violate", []), fields.get("faults", [])
    if not isinstance(violate, list) or not all(isinstance(name, str) for name in violate):
        raise FaultError('"violate" must be a list of requirement ids, as in ["OPS-ART-003"]')
    if not isinstance(transport, list):
        raise FaultError('"faults" must be a list, as in ["latency:ms=200,first=2"]')
    return violate, [_at(f"/faults/{index}", partial(fault_of_json, fault)) for index, fault in enumerate(transport)]


def _object(value: Any, known: Iterable[str]) -> dict[str, Any]:
    names = ", ".join(known)
    if not isinstance(value, dict):
        raise FaultError(f"the body must be an object with {names}, and no more; this has {type(value).__name__}")
    if unknown := sorted(value.keys() - set(known)):
        hint = suggestion(unknown[0], known)
        raise FaultError(f"the body must be an object with {names}, and no more; this has {unknown[0]}{hint and '; '}{hint}")
    return value


def _at(place: str, read: Callable[[], Read]) -> Read:
    """What `read` gives, with `place` before the message of its FaultError."""
    try:
        return read()
    except FaultError as error:
        raise FaultError(f"{place}: {error}") from error
