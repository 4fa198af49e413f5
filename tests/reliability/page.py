"""The tables of docs/reliability.md that say what was done to the service, and what came of it."""

import os
from collections.abc import Mapping
from itertools import takewhile
from typing import Final

from local_service import ROOT
from reliability.service_home import Findings

PAGE: Final = ROOT / "docs/reliability.md"
_ORDEALS: Final = "|---|--:|--:|--:|--:|--:|--:|\n"
_ASSAULTS: Final = "|---|---|--:|--:|\n"
_SOAK: Final = "| what | figure |\n|---|--:|\n"


def write_row(ordeal: str, findings: Findings) -> None:
    """Write what was found into the row of `ordeal`, which is added when there is none. Only while pages are written."""
    figures = (
        findings.ordeals,
        findings.runs,
        findings.acknowledged,
        len(findings.lost),
        len(findings.contradictions),
        len(findings.left_over) + len(findings.unserved),
    )
    _write(_ORDEALS, ordeal, *(f"{figure:,}" for figure in figures))


def write_assault(assault: str, outcome: str, mib: float, seconds: float) -> None:
    """Write what came of an assault on the service by its callers, as `write_row` does."""
    _write(_ASSAULTS, assault, outcome, f"{mib:.1f}", f"{seconds:.1f}")


def write_soak(figures: Mapping[str, str]) -> None:
    """Write what came of a soak, as `write_row` does."""
    for what, figure in figures.items():
        _write(_SOAK, what, figure)


def _write(mark: str, name: str, *cells: str) -> None:
    """Write the row that begins with `name` of the table whose second line is `mark`. Only while pages are written."""
    if not os.environ.get("OPS_WRITE_PAGES"):
        return
    row = f"| {' | '.join([name, *cells])} |"
    before, mark, after = PAGE.read_text().partition(mark)
    table = [*takewhile(lambda line: line.startswith("| "), after.splitlines())]
    rest = after.removeprefix("".join(f"{line}\n" for line in table))
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in table} | {name: row}
    PAGE.write_text(f"{before}{mark}{''.join(f'{line}{chr(10)}' for line in rows.values())}{rest}")
