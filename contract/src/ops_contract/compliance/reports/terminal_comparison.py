"""A comparison of two versions of a module, for a terminal."""

import json
from collections import Counter
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ops_contract.compliance.compare import Comparison
from ops_contract.compliance.redaction import harmless

_WIDEST: Final = 60
_LONGEST_LINE: Final = 1000
_NAMED: Final = 3


def terminal_comparison(comparison: Comparison) -> RenderableType:
    """A line for each difference, and for each action that could not be compared."""
    old, new = (harmless(version or "without a version") for version in (comparison.old_version, comparison.new_version))
    parts: list[RenderableType] = []
    if comparison.changes:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in ("action", "what", "name", f"old {old}", f"new {new}"):
            table.add_column(column, overflow="fold")
        for one in comparison.changes:
            cells = (one.action, one.what, one.name, _short(one.old), _short(one.new))
            table.add_row(*(Text(harmless(cell)) for cell in cells))
        parts.append(table)
    elif not comparison.failed:
        parts.append(Text(f"old {old} and new {new} give the same answers", "green"))
    parts += [Text(harmless(f"{action}: {reason}"), "red") for action, reason in comparison.failed.items()]
    return Group(*parts)


def _short(value: Any) -> str:
    text = "-" if value is None else json.dumps(value, ensure_ascii=False)
    return _cut(text, _WIDEST)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def brief_comparison(comparison: Comparison, at_length: str) -> str:
    """At most three lines: how many differences of what, the first of them, and the command that shows them `at_length`."""
    old, new = (version or "without a version" for version in (comparison.old_version, comparison.new_version))
    counts = Counter(change.what for change in comparison.changes)
    told = [f"differ in {', '.join(f'{what} ({count})' for what, count in counts.items())}"] if counts else []
    if comparison.failed:
        told.append(f"could not be compared for {', '.join(comparison.failed)}")
    lines = [f"the answers of old {old} and new {new} {' and '.join(told) or 'are the same'}"]
    if told:
        lines.append(_first(comparison))
    lines = [_cut(harmless(line), _LONGEST_LINE) for line in lines]
    if told:
        lines.append(f"at length: {harmless(at_length)}")
    return "".join(f"{line}\n" for line in lines)


def _first(comparison: Comparison) -> str:
    if comparison.failed:
        action, reason = next(iter(comparison.failed.items()))
        return f"{action}: {reason}"
    shown = [
        f"{one.action} {_cut(one.name, _WIDEST)}: {_short(one.old)} -> {_short(one.new)}" for one in comparison.changes[:_NAMED]
    ]
    left = len(comparison.changes) - len(shown)
    return "; ".join([*shown, *([f"{left} more"] if left else [])])
