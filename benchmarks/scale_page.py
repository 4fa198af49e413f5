"""docs/scale.md: the sections that programs write stand between comments with their names."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).parents[1] / "docs/scale.md"


def write_section(name: str, text: str) -> None:
    """Write the section between its comments, which the page has."""
    before, begin, rest = PAGE.read_text(encoding="utf-8").partition(f"<!-- {name}: written by benchmarks -->\n")
    _, end, after = rest.partition(f"<!-- end of {name} -->\n")
    if not (begin and end):
        raise SystemExit(f"{PAGE} has no comments that say where the section {name!r} begins and ends")
    PAGE.write_text(f"{before}{begin}\n{text}\n\n{end}{after}", encoding="utf-8")


def wrapped(text: str) -> str:
    """A paragraph as the project's documents have it."""
    return textwrap.fill(text, 100, break_long_words=False, break_on_hyphens=False)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, padded so that a terminal shows it as one."""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))} |"

    return "\n".join([line(heads), line(["-" * width for width in widths]), *map(line, rows)])
