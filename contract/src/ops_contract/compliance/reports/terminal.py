"""A report for people at a terminal: the outcome, each failure with proof and remedy, one line for every requirement."""

from collections.abc import Mapping
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ops_contract.compliance.diagnosis import Diagnosis
from ops_contract.compliance.reports.curl import short_curl_of
from ops_contract.compliance.reports.redaction import (
    TERMINAL_BYTES,
    harmless,
    harmless_lines,
    redacted,
    shortened,
    shown_body,
)
from ops_contract.compliance.reports.summary import (
    MARKS,
    WORDS,
    Summary,
    failures,
    name_of,
    profile_counts,
    remedy_of,
    subject_lines,
    summary_of,
    warnings,
)
from ops_contract.compliance.reports.terminal_diagnosis import terminal_diagnosis
from ops_contract.compliance.result import Exchange, Finding, Report, Verdict

MOST_EXCHANGES: Final = 3
"""How many exchanges of one finding are shown; the JSON and HTML reports have all."""

MOST_FAILURES_OF_NO_MODULE: Final = 1
"""How many failures are shown of a service that is no module: they would all say the same."""

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
    """The whole report. Secrets are masked, and nothing that a module said is obeyed, by rich or by the terminal.

    A `diagnosis` says why nothing of a module is there: then it leads, and most of what fails for that one reason is left out.
    Print it with `crop=False`: commands that are to be copied are longer than a terminal is wide.
    """
    report = redacted(report)
    summary = summary_of(report, strict=strict)
    parts: list[RenderableType] = [_head(report, summary)]
    if diagnosis is not None:
        return Group(*parts, Text(""), terminal_diagnosis(diagnosis), *_few(report, strict=strict))
    if report.findings and report.unreachable is None:
        parts += [Text(""), _counts(report)]
    for finding in (broken := failures(report, strict=strict)):
        parts += [Text(""), _failure(finding)]
    if told := warnings(report, strict=strict):
        parts += [Text(""), Text("Warnings", "bold"), *map(_warning, told)]
    if report.findings and report.unreachable is None:
        parts += [Text(""), Text("All requirements", "bold"), _all(report)]
    if broken:
        # What is read first in a terminal is the end.
        parts += [Text(""), _outcome(report, summary)]
    return Group(*parts)


def terminal_replay(report: Report) -> RenderableType:
    """What went over the wire for each requirement of `report`, redacted, also of one that is met."""
    report = redacted(report)
    return Group(_outcome(report, summary_of(report)), *map(_failure, report.findings))


def _few(report: Report, *, strict: bool) -> list[RenderableType]:
    broken = failures(report, strict=strict)
    parts: list[RenderableType] = []
    for finding in broken[:MOST_FAILURES_OF_NO_MODULE]:
        parts += [Text(""), _failure(finding)]
    if left := len(broken) - MOST_FAILURES_OF_NO_MODULE:
        told = f"... and {left} more that failed, most of them for the same reason; --html FILE and --json have all"
        parts += [Text(""), Text(told, "dim")]
    return parts if broken else []


def _head(report: Report, summary: Summary) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    for label, value in subject_lines(report):
        grid.add_row(Text(label, "bold"), _folded(value))
    notes = [Text(note, "yellow") for note in summary.notes]
    return Group(_outcome(report, summary), grid, *notes)


def _outcome(report: Report, summary: Summary) -> Text:
    return Text.assemble((f"{name_of(report)}: ", "bold"), (summary.outcome, _TONES[summary.tone]))


def _counts(report: Report) -> Table:
    verdicts = [verdict for verdict in Verdict if report.counts[verdict]]
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("profile")
    for verdict in verdicts:
        table.add_column(WORDS[verdict], justify="right")
    for profile, counts in profile_counts(report).items():
        table.add_row(
            profile, *(Text(str(counts[verdict]), _STYLES[verdict] if counts[verdict] else "dim") for verdict in verdicts)
        )
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
    pairs = (("expected", finding.expected), ("actual", finding.actual))
    return [_labelled(name, shortened(text)) for name, text in pairs if text]


def _exchange(exchange: Exchange) -> list[RenderableType]:
    """Shown whole in its lines: not wrapped, so that the command can be copied."""
    lines = [f"> {exchange.method} {exchange.url}"]
    lines += [f"> {name}: {shortened(value, 200)}" for name, value in exchange.request_headers.items()]
    lines += _body_lines("> ", exchange.request_body)
    if exchange.status is not None:
        lines.append(f"< {exchange.status} in {exchange.seconds:.3f} s")
    lines += [f"< {name}: {shortened(value, 200)}" for name, value in exchange.headers.items()]
    lines += _body_lines("< ", exchange.body)
    if exchange.error is not None:
        lines.append(f"! {shortened(exchange.error)}")
    shown: list[RenderableType] = [_folded(line, "dim") for line in lines]
    return [*shown, *(_unwrapped(line, "cyan") for line in short_curl_of(exchange).split("\n"))]


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
        passed = " (by its adapter)" if requirement.id in report.covered else ""
        told = passed if finding.verdict is Verdict.PASS else f" ({WORDS[finding.verdict]})"
        table.add_row(mark, Text(requirement.level), Text.assemble(harmless(requirement.statement), (told, style)))
    return table


def _labelled(label: str, text: str, style: str = "") -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(width=8)
    lines = (_folded(line, style) for line in harmless_lines(text).split("\n"))
    grid.add_row(Text(label, "bold"), Group(*lines))
    return grid


def _folded(text: str, style: str = "") -> Text:
    shown = Text(harmless(text.expandtabs(4)), style)
    shown.overflow = "fold"
    return shown


def _unwrapped(text: str, style: str) -> Text:
    shown = Text(harmless(text), style)
    shown.no_wrap, shown.overflow = True, "ignore"
    return shown
