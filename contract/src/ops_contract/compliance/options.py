"""What commands are given beside a target: files, ids and addresses, read and checked."""

import sys
from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ops_contract import JsonError, parse_json
from ops_contract.compliance.requirement import Requirement, load_requirements


class UsageError(Exception):
    """The command cannot be done as it was given; the message says what to write instead."""


def selected(patterns: list[str] | None) -> set[str]:
    """The ids that match any of `patterns`, all without one. Raises UsageError for a pattern that matches none."""
    known = load_requirements()
    if not patterns:
        return set(known)
    chosen: set[str] = set()
    for pattern in patterns:
        found = {identifier for identifier in known if fnmatchcase(identifier, pattern.upper())}
        if not found:
            raise UsageError(f"no requirement is {pattern!r}{_near(pattern, known)}; ops-contract list shows all")
        chosen |= found
    return chosen


def known_requirement(identifier: str) -> Requirement:
    """The requirement of that id. Raises UsageError, with the nearest one, when there is none."""
    known = load_requirements()
    if identifier.upper() not in known:
        raise UsageError(f"there is no requirement {identifier!r}{_near(identifier, known)}; ops-contract list shows all")
    return known[identifier.upper()]


def base_url(url: str) -> str:
    """`url`. Raises UsageError when it is none."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"{url!r} is no base URL; write one like http://localhost:8080")
    return url


def read_inputs(file: Path | None) -> Mapping[str, Any]:
    """The inputs in `file`, none without one. Raises UsageError for what is no JSON object."""
    if file is None:
        return {}
    try:
        value = parse_json(read_text(file).encode())
    except JsonError as error:
        raise UsageError(f"{file}: {error}") from error
    if not isinstance(value, dict):
        raise UsageError(f"{file}: must be a JSON object: inputs for every action, or one by action")
    return value


def read_text(file: Path) -> str:
    """What is in `file`, or in standard input for `-`. Raises UsageError when it cannot be read."""
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"cannot read {file}: {reason}") from error


def write(file: Path | None, render: Callable[[], str | bytes]) -> None:
    """Write what `render` makes to `file`, if there is one. Raises UsageError when it cannot be written."""
    if file is None:
        return
    content = render()
    try:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}") from error


def _near(identifier: str, known: Collection[str]) -> str:
    near = get_close_matches(identifier.upper(), known, n=1)
    return f"; did you mean {near[0]}?" if near else ""
