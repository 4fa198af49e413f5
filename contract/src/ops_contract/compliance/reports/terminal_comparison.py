"""A comparison of two versions of a module, for a terminal."""

import json
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ops_contract.compliance.compare import Comparison
from ops_contract.compliance.redaction import harmless

_WIDEST: Final = 60


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
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 3]}..."
