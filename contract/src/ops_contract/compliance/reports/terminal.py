"""A report for a terminal: the outcome, each failure with exchanges and remedy, and one line for every requirement."""

from collections.abc import Mapping
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ops_contract.compliance.diagnosis import Diagnosis
from ops_contract.compliance.redaction import TERMINAL_BYTES, harmless, harmless_lines, shortened, shown_body
from ops_contract.compliance.reports.curl import short_curl_of
from ops_contract.compliance.reports.summary import MARKS, WORDS, remedy_of
from ops_contract.compliance.reports.terminal_diagnosis import terminal_diagnosis
from ops_contract.compliance.reports.view import ReportView, facts_of, view_of
from ops_contract.compliance.result import Exchange, Finding, Report, Verdict

MOST_EXCHANGES: Final = 3
"""How many exchanges of one finding are shown; the JSON and HTML reports have all."""

_TONES: Final = {"good": "bold green", "doubtful": "bold yellow", "bad": "bold red"}
_STYLES: Final[Mapping[Verdict, str]] = {
    Verdict.PASS: "green",
    Verdict.FAIL: "red",
    Verdict.WARN: "yellow",
    Verdict.NOT_APPLICABLE: "dim",
    Verdict.NOT_TESTABLE: "magenta",
    Verdict.EXPECTED_FAIL: "yellow",
    Verdict.UNEXPECTED_PASS: "red",
    Verdict.KIT_ERROR: "bold magenta",
}


def terminal_report(report: Report, *, strict: bool = False, diagnosis: Diagnosis | None = None) -> RenderableType:
    """The whole report, with secrets masked, and without control codes or markup from the module.

    A `diagnosis` says why the target is not a module: it comes first, and most failures that follow from it are left out.
    Print it with `crop=False`: commands to be copied are longer than a terminal is wide.
    """
    view = view_of(report, strict=strict)
    parts: list[RenderableType] = [_head(view)]
    if diagnosis is not None:
        return Group(*parts, Text(""), terminal_diagnosis(diagnosis), *_first_failure(view))
    is_checked = bool(report.findings) and report.unreachable is None
    if is_checked:
        parts += [Text(""), _counts(view)]
    for finding in view.failures:
        parts += [Text(""), _failure(finding)]
    if view.warnings:
        parts += [Text(""), Text("Warnings", "bold"), *map(_warning, view.warnings)]
    if is_checked:
        parts += [Text(""), Text("All requirements", "bold"), _all(view.report)]
    if view.failures:
        # The end of the output is what people see first in a terminal.
        parts += [Text(""), _outcome(view)]
    return Group(*parts)


def terminal_replay(report: Report) -> RenderableType:
    """The exchanges of each requirement in `report`, redacted, also of requirements that are met."""
    view = view_of(report)
    return Group(_outcome(view), *map(_failure, view.report.findings))


def _first_failure(view: ReportView) -> list[RenderableType]:
    """One failure of a service that is not a module; the others would repeat it."""
    if not view.failures:
        return []
    parts: list[RenderableType] = [Text(""), _failure(view.failures[0])]
    if left := len(view.failures) - 1:
        note = f"... and {left} more that failed, most of them for the same reason; --html FILE and --json have all"
        parts += [Text(""), Text(note, "dim")]
    return parts


def _head(view: ReportView) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    for label, value in view.subject:
        grid.add_row(Text(label, "bold"), _folded(value))
    return Group(_outcome(view), grid, *(Text(note, "yellow") for note in view.summary.notes))


def _outcome(view: ReportView) -> Text:
    return Text.assemble((f"{view.name}: ", "bold"), (view.summary.outcome, _TONES[view.summary.tone]))


def _counts(view: ReportView) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("profile")
    for verdict in view.verdicts:
        table.add_column(WORDS[verdict], justify="right")
    for profile, counts in view.counts.items():
        cells = (Text(str(counts[verdict]), _STYLES[verdict] if counts[verdict] else "dim") for verdict in view.verdicts)
        table.add_row(profile, *cells)
    return table


def _failure(finding: Finding) -> RenderableType:
    requirement, style = finding.requirement, _STYLES[finding.verdict]
    title = Text.assemble(
        (f"{MARKS[finding.verdict]} {requirement.id} ", f"bold {style}"),
        (f"{requirement.level} {requirement.profile} · {WORDS[finding.verdict]}", style),
    )
    rows: list[RenderableType] = [_folded(requirement.statement), *_facts(finding)]
    if finding.verdict is not Verdict.PASS:
        rows += [_labelled("remedy", remedy_of(finding), "green"), _labelled("why", requirement.why)]
    rows.append(_labelled("spec", requirement.anchor, "dim"))
    for exchange in finding.exchanges[:MOST_EXCHANGES]:
        rows += [Text(""), *_exchange(exchange)]
    if (left := len(finding.exchanges) - MOST_EXCHANGES) > 0:
        rows.append(Text(f"... and {left} more exchanges; the JSON and HTML reports have all", "dim"))
    return Group(title, *rows)


def _warning(finding: Finding) -> RenderableType:
    requirement, style = finding.requirement, _STYLES[finding.verdict]
    title = Text.assemble(
        (f"{MARKS[finding.verdict]} {requirement.id} ", style),
        harmless(requirement.statement),
        (f" · {WORDS[finding.verdict]}", style),
    )
    return Group(title, *_facts(finding), _labelled("remedy", remedy_of(finding), "green"))


def _facts(finding: Finding) -> list[RenderableType]:
    return [_labelled(name, text) for name, text in facts_of(finding)]


def _exchange(exchange: Exchange) -> list[RenderableType]:
    """An exchange and its command, which is not wrapped, so that it can be copied."""
    lines = [f"> {exchange.method} {exchange.url}"]
    lines += [f"> {name}: {shortened(value, 200)}" for name, value in exchange.request_headers.items()]
    lines += _body_lines("> ", exchange.request_body)
    if exchange.status is not None:
        lines.append(f"< {exchange.status} in {exchange.seconds:.3f} s")
    lines += [f"< {name}: {shortened(value, 200)}" for name, value in exchange.headers.items()]
    lines += _body_lines("< ", exchange.body)
    if exchange.error is not None:
        lines.append(f"! {shortened(exchange.error)}")
    rendered: list[RenderableType] = [_folded(line, "dim") for line in lines]
    return [*rendered, *(_unwrapped(line, "cyan") for line in short_curl_of(exchange).split("\n"))]


def _body_lines(mark: str, content: bytes) -> list[str]:
    if not content:
        return []
    text = harmless_lines(shown_body(content, TERMINAL_BYTES).text)
    return [mark, *(f"{mark}{line}" for line in text.split("\n"))]


def _all(report: Report) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    for finding in report.findings:
        requirement, style = finding.requirement, _STYLES[finding.verdict]
        mark = Text(f"{MARKS[finding.verdict]} {requirement.id}", style)
        note = f" ({WORDS[finding.verdict]})"
        if finding.verdict is Verdict.PASS:
            note = " (by its adapter)" if requirement.id in report.covered else ""
        table.add_row(mark, Text(requirement.level), Text.assemble(harmless(requirement.statement), (note, style)))
    return table


def _labelled(label: str, text: str, style: str = "") -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(width=8)
    lines = (_folded(line, style) for line in harmless_lines(text).split("\n"))
    grid.add_row(Text(label, "bold"), Group(*lines))
    return grid


def _folded(text: str, style: str = "") -> Text:
    rendered = Text(harmless(text.expandtabs(4)), style)
    rendered.overflow = "fold"
    return rendered


def _unwrapped(text: str, style: str) -> Text:
    rendered = Text(harmless(text), style)
    rendered.no_wrap, rendered.overflow = True, "ignore"
    return rendered
