"""Markdown that stays well formed whatever text another module sent."""

import re
from collections.abc import Iterable, Sequence

__all__ = ["plain", "table"]

_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~])")


def plain(text: object) -> str:
    """`text` on one line, at most 400 characters, with all characters escaped that mean something in Markdown."""
    line = " ".join(str(text).split())
    return _SPECIAL.sub(r"\\\1", line if len(line) <= 400 else f"{line[:397]}...")


def table(header: Sequence[str], rows: Iterable[Sequence[object]], numbers_from: int) -> str:
    """A table whose columns from `numbers_from` on are aligned to the right; cells are escaped."""
    rules = ["---" if column < numbers_from else "---:" for column in range(len(header))]
    lines = [header, rules, *([plain(cell) for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
