"""The arguments of the kit, from the command line or from pytest: target, requirements, inputs and files."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from ops_contract import (
    CONTRACT_VERSION,
    ExecuteRequest,
    JsonError,
    ShapeError,
    base_url_problem,
    parse_json,
    suggestion,
    validate,
)
from ops_contract.compliance.requirement import Requirement, load_requirements

_LIST: Final = "ops-contract list shows all"
_MOST_PLACES: Final = 3
_ANY_REQUEST: Final = {
    "contract_version": CONTRACT_VERSION,
    "run_id": "r",
    "step_id": "s",
    "scenario_id": "s",
    "action": "execute",
    "inputs": {},
}


class UsageError(ValueError):
    """The arguments cannot be used; the message says what to write instead."""


def checked_url(url: str) -> str:
    """`url` when it is a base URL. Raises UsageError."""
    if base_url_problem(url):
        meant = f"http://{url}"
        example = "http://localhost:8080" if "://" in url or base_url_problem(meant) else meant
        raise UsageError(f"{url!r} is not a base URL; write one like {example}")
    return url


def selected(patterns: Sequence[str] | None) -> set[str]:
    """The ids that one of `patterns` names, all without any; * and ? match. Raises UsageError for one that names none."""
    known = load_requirements()
    if not patterns:
        return set(known)
    chosen: set[str] = set()
    for pattern in patterns:
        found = {identifier for identifier in known if fnmatchcase(identifier, pattern.upper())}
        if not found:
            raise UsageError(f"no requirement is {pattern!r}; {suggestion(pattern, known) or _LIST}")
        chosen |= found
    return chosen


def known_requirement(identifier: str) -> Requirement:
    """The requirement of that id, in any case. Raises UsageError, with the nearest one, when there is none."""
    known = load_requirements()
    if identifier.upper() not in known:
        raise UsageError(f"there is no requirement {identifier!r}; {suggestion(identifier, known) or _LIST}")
    return known[identifier.upper()]


def read_inputs(file: Path | None) -> Mapping[str, Any] | None:
    """Good inputs, for every action or by action; None without a file. Raises UsageError."""
    if file is None:
        return None
    try:
        value = parse_json(read_text(file).encode())
    except JsonError as error:
        raise UsageError(f"{file}: {error}") from error
    if not isinstance(value, dict):
        raise UsageError(f"{file}: must be a JSON object: inputs for every action, or one by action")
    return value


def read_upstream(file: Path | None) -> Mapping[str, Any] | None:
    """Earlier steps that a module needs, as `upstream` of a request has them; None without a file. Raises UsageError.

    The file may hold the whole request, as run folders keep it.
    """
    value = read_inputs(file)
    if value is None:
        return None
    steps = value.get("upstream") if "contract_version" in value else value
    try:
        validate(ExecuteRequest, {**_ANY_REQUEST, "upstream": steps}, "request")
    except ShapeError as error:
        places = "; ".join(map(str, error.problems[:_MOST_PLACES]))
        raise UsageError(f"{file}: must hold earlier steps by step id, as `upstream` of a request does: {places}") from error
    return dict(steps or {})


def read_text(file: Path) -> str:
    """What is in a file, or in the standard input for `-`. Raises UsageError."""
    try:
        return sys.stdin.buffer.read().decode() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"cannot read {file}: {reason}") from error


def check_places(files: Iterable[Path | None]) -> None:
    """Raise UsageError for a file that can never be written, before the work is done that would be lost with it."""
    for file in files:
        if file is not None and not file.parent.is_dir():
            raise UsageError(f"cannot write {file}: there is no folder {file.parent}")
        if file is not None and file.is_dir():
            raise UsageError(f"cannot write {file}: it is a folder")


def write(file: Path | None, render: Callable[[], str | bytes]) -> None:
    """Write what `render` returns to `file`, if one is given. Raises UsageError when it cannot be written."""
    if file is None:
        return
    content = render()
    try:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}") from error
