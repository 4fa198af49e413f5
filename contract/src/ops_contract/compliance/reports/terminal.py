"""A report for a terminal: one line for each failure, or everything about it, and last the verdict and what to do next."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.table import Table
from rich.text import Text

from ops_contract.compliance.diagnosis import Diagnosis
from ops_contract.compliance.redaction import TERMINAL_BYTES, harmless, harmless_lines, shortened, shown_body
from ops_contract.compliance.reports.closing import Closing
from ops_contract.compliance.reports.curl import short_curl_of
from ops_contract.compliance.reports.summary import GOOD_REQUEST, MARKS, WORDS, remedy_of
from ops_contract.compliance.reports.terminal_diagnosis import terminal_diagnosis
from ops_contract.compliance.reports.view import ReportView, SeenExchanges, facts_of, view_of
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
# What a reader wants to know of a report that is not shown at length.
_ALWAYS_SHOWN: Final = ("image", "adapter", "not tested")
_UNINTERESTING_HEADERS: Final = ("date", "server", "connection", "content-length", "transfer-encoding", "keep-alive")
_BUT: Final = ", but "
_MOST_CHARACTERS: Final = 600
_QUIET: Final = (Verdict.PASS, Verdict.NOT_APPLICABLE)
_EXPLAINED_FIRST: Final = (Verdict.FAIL, Verdict.UNEXPECTED_PASS, Verdict.WARN)


def terminal_report(
    report: Report, *, strict: bool = False, diagnosis: Diagnosis | None = None, at_length: bool = False
) -> RenderableType:
    """The report, with secrets masked, and without control codes or markup from the module.

    `at_length` shows everything about each finding, and one line for every requirement. A `diagnosis` says why the target is
    not a module: it stands in the place of the failures, which follow from it.
    Print it with `crop=False`: commands to be copied are longer than a terminal is wide.
    """
    view = view_of(report, strict=strict)
    parts: list[RenderableType] = [_head(view, at_length=at_length), Text("")]
    if diagnosis is not None:
        parts += [terminal_diagnosis(diagnosis), Text("")]
    if at_length:
        parts += _details(view)
    elif diagnosis is None:
        parts += _lines(view)
    if diagnosis is None:
        parts += (Text(note, "yellow") for note in view.summary.notes)
    return Group(*parts, _verdict(view))


def last_line(report: Report, *, strict: bool = False) -> str:
    """The verdict and what to do next, as they stand last on a terminal, in one line."""
    return str(_verdict(view_of(report, strict=strict)))


def terminal_replay(report: Report) -> RenderableType:
    """The exchanges of each requirement in `report`, redacted, also of requirements that are met."""
    view, seen = view_of(report), SeenExchanges()
    findings = (_finding(finding, seen) for finding in view.report.findings)
    return Group(*(part for finding in findings for part in (finding, Text(""))), _verdict(view))


def _head(view: ReportView, *, at_length: bool) -> RenderableType:
    subject = dict(view.subject)
    name, url, target = subject.get("module", view.name), subject["url"], subject.get("target")
    grid = Table.grid(padding=(0, 2))
    for label, value in view.subject:
        if at_length:
            grid.add_row(Text(label, "bold"), _folded(value))
        elif label in _ALWAYS_SHOWN:
            grid.add_row(Text(label, "bold"), _folded(value.partition(": OPS-")[0]))
    if at_length:
        return grid
    where = f" ({target})" if target and target != name else f" at {url}" if name != url and not target else ""
    title = Text.assemble((name, "bold"), where, overflow="fold")
    return Group(title, grid) if grid.row_count else title


def _details(view: ReportView) -> Iterator[RenderableType]:
    """The counts, each finding that needs attention with its proof, and every requirement in a line."""
    seen = SeenExchanges()
    if view.report.findings:
        yield from (_counts(view), Text(""))
    for finding in view.failures:
        yield from (_finding(finding, seen), Text(""))
    if view.warnings:
        yield from (Text("Warnings", "bold"), Text(""))
    for finding in view.warnings:
        yield from (_finding(finding, seen), Text(""))
    if view.report.findings:
        yield from (Text("All requirements", "bold"), _all(view.report), Text(""))


def _lines(view: ReportView) -> Iterator[RenderableType]:
    found = (*view.failures, *view.warnings)
    alone, alike = _apart(found)
    hinders = view.report.counts[Verdict.NOT_TESTABLE] > 0
    for finding in alone:
        is_whole = len(found) == 1 or (hinders and finding.requirement.id == GOOD_REQUEST)
        yield _WholeLine(finding) if is_whole else _Line(finding)
    yield from (_untested(reason, number) for reason, number in alike.items())
    if found:
        yield Text("")
        yield Text("-v shows the exchange, reason and remedy of each.", "dim")


def _apart(found: Sequence[Finding]) -> tuple[Sequence[Finding], Mapping[str, int]]:
    """The findings to tell one by one, and how many could not be tested for each reason that several share."""
    reasons = Counter(one.actual for one in found if one.verdict is Verdict.NOT_TESTABLE)
    alike = {reason: number for reason, number in reasons.items() if number > 1}
    return [one for one in found if one.verdict is not Verdict.NOT_TESTABLE or one.actual not in alike], alike


def _untested(reason: str, number: int) -> RenderableType:
    style = _STYLES[Verdict.NOT_TESTABLE]
    mark = f"{MARKS[Verdict.NOT_TESTABLE]} {number} {WORDS[Verdict.NOT_TESTABLE]}"
    return _hanging(Text(mark, f"bold {style}"), Text(harmless(" ".join(reason.split())), style))


def _hanging(mark: Text, text: Text) -> RenderableType:
    """`text` beside `mark`, wrapped to lines that begin below its first."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    text.overflow = "fold"
    grid.add_row(mark, text)
    return grid


@dataclass(frozen=True)
class _WholeLine:
    """A finding with all that happened, in as many lines as that takes: it is the only one, or the others follow from it."""

    finding: Finding

    def __rich_console__(self, _console: Console, _options: ConsoleOptions) -> Iterator[RenderableType]:
        finding, style = self.finding, _STYLES[self.finding.verdict]
        mark = Text(f"{MARKS[finding.verdict]} {finding.requirement.id}", f"bold {style}")
        actual = harmless(" ".join(shortened(finding.actual, _MOST_CHARACTERS).split())) or WORDS[finding.verdict]
        yield _hanging(mark, Text.assemble(f"{finding.requirement.statement}{_BUT}", (actual, style)))


@dataclass(frozen=True)
class _Line:
    """A finding in one line of the terminal: when both do not fit, what is required and what happened are shortened."""

    finding: Finding

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> Iterator[Text]:
        finding = self.finding
        style = _STYLES[finding.verdict]
        mark = f"{MARKS[finding.verdict]} {finding.requirement.id}  "
        room = options.max_width - len(mark)
        actual = harmless(" ".join(finding.actual.split())) or WORDS[finding.verdict]
        statement = _cut(finding.requirement.statement, max(room - len(actual) - len(_BUT), 2 * room // 5))
        line = Text.assemble(
            (mark, f"bold {style}"), f"{statement}{_BUT}", (_cut(actual, room - len(statement) - len(_BUT)), style)
        )
        line.no_wrap, line.overflow = True, "ellipsis"
        yield line


def _verdict(view: ReportView) -> Closing:
    """The outcome, how many requirements came out how, and the command that explains the first that is not met."""
    counts = view.report.counts
    open_ones = [verdict for verdict in view.verdicts if verdict not in _QUIET]
    bound = len(view.report.findings) - counts[Verdict.NOT_APPLICABLE]
    outcome = Text(view.summary.outcome, _TONES[view.summary.tone])
    if not bound or view.report.unreachable is not None:
        return Closing(outcome)
    passed = f"all {bound} passed" if bound > 1 else "1 passed"
    parts = [_counted(verdict, counts[verdict]) for verdict in open_ones]
    told = f": {', '.join(parts)} of {bound}" if parts else f": {passed}"
    by_weight = (one for verdict in _EXPLAINED_FIRST for one in view.report.findings if one.verdict is verdict)
    first = next(by_weight, None)
    return Closing(Text.assemble(outcome, told), f"ops-contract explain {first.requirement.id}" if first else "")


def _counted(verdict: Verdict, count: int) -> str:
    return f"{count} {WORDS[verdict]}{'s' if verdict is Verdict.WARN and count > 1 else ''}"


def _counts(view: ReportView) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("profile")
    for verdict in view.verdicts:
        table.add_column(WORDS[verdict], justify="right")
    for profile, counts in view.counts.items():
        cells = (Text(str(counts[verdict]), _STYLES[verdict] if counts[verdict] else "dim") for verdict in view.verdicts)
        table.add_row(profile, *cells)
    return table


def _finding(finding: Finding, seen: SeenExchanges) -> RenderableType:
    requirement, style = finding.requirement, _STYLES[finding.verdict]
    title = Text.assemble(
        (f"{MARKS[finding.verdict]} {requirement.id} ", f"bold {style}"),
        (f"{requirement.level} {requirement.profile} · {WORDS[finding.verdict]}", style),
    )
    rows: list[RenderableType] = [_folded(requirement.statement)]
    rows += [_labelled(name, text) for name, text in facts_of(finding)]
    if finding.verdict is not Verdict.PASS:
        rows += [_labelled("why", requirement.why), _labelled("remedy", remedy_of(finding), "green")]
    for exchange in finding.exchanges[:MOST_EXCHANGES]:
        rows += _exchange(exchange, seen.first_at(exchange, requirement.id))
    if (left := len(finding.exchanges) - MOST_EXCHANGES) > 0:
        rows.append(Text(f"... and {left} more exchanges; the JSON and HTML reports have all", "dim"))
    return Group(title, *rows)


def _exchange(exchange: Exchange, shown_at: str | None) -> list[RenderableType]:
    """The command that sends the request, and the answer, not wrapped, so that they can be copied."""
    if shown_at is not None:
        return [Text(f"the same exchange as at {shown_at}", "dim")]
    command = [_unwrapped(line, "cyan") for line in short_curl_of(exchange).split("\n")]
    return [Text(""), *command, *(_unwrapped(line, "dim") for line in _answer(exchange))]


def _answer(exchange: Exchange) -> Iterator[str]:
    if exchange.status is not None:
        yield f"< {exchange.status} in {exchange.seconds:.3f} s"
    for name, value in exchange.headers.items():
        if name.lower() not in _UNINTERESTING_HEADERS:
            yield f"< {name}: {shortened(value, 200)}"
    if exchange.body:
        text = harmless_lines(shown_body(exchange.body, TERMINAL_BYTES).text)
        yield from (f"< {line}" for line in text.split("\n"))
    if exchange.error is not None:
        yield f"! {shortened(exchange.error)}"


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


def _cut(text: str, longest: int) -> str:
    """The beginning of `text`, up to the end of a word."""
    if len(text) <= longest:
        return text
    start = text[: max(longest - 1, 0)]
    return f"{start.rpartition(' ')[0] or start}…"
