"""The table of docs/reliability.md that says what was done to the service, and what came of it."""

import os
from itertools import takewhile
from typing import Final

from local_service import ROOT
from reliability.service_home import Findings

PAGE: Final = ROOT / "docs/reliability.md"
_MARK: Final = "|---|--:|--:|--:|--:|--:|--:|\n"


def write_row(ordeal: str, findings: Findings) -> None:
    """Write what was found into the row of `ordeal`, which is added when there is none. Only while pages are written."""
    if not os.environ.get("OPS_WRITE_PAGES"):
        return
    figures = (
        findings.ordeals,
        findings.runs,
        findings.acknowledged,
        len(findings.lost),
        len(findings.contradictions),
        len(findings.left_over) + len(findings.unserved),
    )
    row = f"| {' | '.join([ordeal, *(f'{figure:,}' for figure in figures)])} |"
    before, mark, after = PAGE.read_text().partition(_MARK)
    table = [*takewhile(lambda line: line.startswith("| "), after.splitlines())]
    rest = after.removeprefix("".join(f"{line}\n" for line in table))
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in table} | {ordeal: row}
    PAGE.write_text(f"{before}{mark}{''.join(f'{line}{chr(10)}' for line in rows.values())}{rest}")
