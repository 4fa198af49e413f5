"""The tables of docs/reliability.md that say what was done to the service, and what came of it."""

import os
from collections.abc import Mapping
from itertools import takewhile
from typing import Final

from local_service import ROOT
from reliability.service_home import Findings

PAGE: Final = ROOT / "docs/reliability.md"
_MARK: Final = "|---|--:|--:|--:|--:|--:|--:|\n"
_SOAK_BEGINS: Final = "<!-- From here on written by `make soak`. -->\n\n| what | figure |\n|---|--:|\n"
_SOAK_ENDS: Final = "\n<!-- Up to here. -->\n"


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


def write_soak(figures: Mapping[str, str]) -> None:
    """Write what came of a soak into its table. Only while pages are written."""
    if not os.environ.get("OPS_WRITE_PAGES"):
        return
    before, begin, rest = PAGE.read_text().partition(_SOAK_BEGINS)
    after = rest.partition(_SOAK_ENDS)[2]
    rows = "".join(f"| {what} | {figure} |\n" for what, figure in figures.items())
    PAGE.write_text(f"{before}{begin}{rows}{_SOAK_ENDS}{after}")
