"""A report as Markdown, for the summary page of a CI run."""

import re
from typing import Final

from ops_contract.compliance.redaction import TERMINAL_BYTES, harmless, harmless_lines, shortened, shown_body
from ops_contract.compliance.reports.curl import short_curl_of
from ops_contract.compliance.reports.summary import MARKS, WORDS, remedy_of
from ops_contract.compliance.reports.view import ReportView, SeenExchanges, answer_of, facts_of, label_of, view_of
from ops_contract.compliance.result import Exchange, Finding, Report

MOST_BYTES: Final = 900 * 1024
"""Below the limit of 1 MiB, above which GitHub shows nothing of a summary."""

_MOST_EXCHANGES: Final = 2
_MARKS: Final = {"good": "✅", "doubtful": "⚠️", "bad": "❌"}
# The kit's own texts use no Markdown except code spans.
_SPECIAL: Final = re.compile(r"([\\<>\[\]*_|#&~])")


def markdown_report(report: Report, *, strict: bool = False) -> str:
    """GitHub-flavoured Markdown. Text from a module is in code fences and code spans only."""
    view = view_of(report, strict=strict)
    parts = [_head(view)]
    ending = _all(view) if view.report.findings else ""
    room = MOST_BYTES - len(ending.encode())
    seen = SeenExchanges()
    articles = [_failure(finding, seen) for finding in view.failures]
    if view.warnings:
        articles += ["### Warnings\n\n", *map(_warning, view.warnings)]
    for index, article in enumerate(articles):
        room -= len(article.encode())
        if room < 0:
            parts.append(f"{len(articles) - index} more did not fit in here; the JSON and HTML reports have them.\n\n")
            break
        parts.append(article)
    return "".join([*parts, ending])


def code_span(text: str) -> str:
    """Any text as a code span of one line, also inside a table."""
    text = harmless(text).replace("|", "\uff5c")  # even inside code, a bar would end the table's cell
    ticks = "`" * (_longest_run(text) + 1)
    space = " " if text.startswith("`") or text.endswith("`") or not text.strip() else ""
    return f"{ticks}{space}{text}{space}{ticks}"


def fence(text: str, language: str = "") -> str:
    """`text` as a block of code, in a fence longer than any run of backticks in it."""
    text = harmless_lines(text)
    ticks = "`" * max(3, _longest_run(text) + 1)
    return f"{ticks}{language}\n{text}\n{ticks}\n\n"


def _head(view: ReportView) -> str:
    lines = [f"## {_MARKS[view.summary.tone]} {code_span(view.name)}: {view.summary.outcome}\n\n"]
    # The reason why the module is not reachable may hold text from a server.
    is_ours = view.report.unreachable is None
    lines += [f"> {note if is_ours else code_span(shortened(note))}\n\n" for note in view.summary.notes]
    lines += ["| | |\n|---|---|\n"]
    lines += [f"| {label} | {code_span(shortened(value, 300))} |\n" for label, value in view.subject]
    return "".join([*lines, "\n", _counts(view) if view.report.findings else ""])


def _counts(view: ReportView) -> str:
    head = "| profile |" + "".join(f" {label_of(verdict)} |" for verdict in view.verdicts)
    rows = (
        f"| {profile} |" + "".join(f" {counts[verdict]} |" for verdict in view.verdicts)
        for profile, counts in view.counts.items()
    )
    return "\n".join([head, "|---|" + "---:|" * len(view.verdicts), *rows]) + "\n\n"


def _failure(finding: Finding, seen: SeenExchanges) -> str:
    requirement = finding.requirement
    title = f"### {MARKS[finding.verdict]} {requirement.id} · {requirement.level} · {WORDS[finding.verdict]}\n\n"
    parts = [title, f"{_own(requirement.statement)}\n\n", _facts(finding)]
    parts += (_exchange(one, seen.first_at(one, requirement.id)) for one in finding.exchanges[:_MOST_EXCHANGES])
    remedy = f"**Why** {_own(requirement.why)}\n\n**Remedy** {_own(remedy_of(finding))}\n\n"
    return "".join([*parts, remedy, f"**Spec** {code_span(requirement.anchor)}\n\n"])


def _warning(finding: Finding) -> str:
    requirement = finding.requirement
    title = f"**{MARKS[finding.verdict]} {requirement.id}** {_own(requirement.statement)} · {WORDS[finding.verdict]}\n\n"
    return f"{title}{_facts(finding)}**Remedy** {_own(remedy_of(finding))}\n\n"


def _facts(finding: Finding) -> str:
    facts = facts_of(finding)
    return fence("\n".join(f"{name:8}  {text}" for name, text in facts), "text") if facts else ""


def _exchange(exchange: Exchange, shown_at: str | None) -> str:
    if shown_at is not None:
        return f"The same exchange as at {shown_at}.\n\n"
    body = shown_body(exchange.body, TERMINAL_BYTES).text
    lines = [shortened(answer_of(exchange)), *(f"{name}: {shortened(value, 200)}" for name, value in exchange.headers.items())]
    answer = "\n".join([*lines, "", body] if body else lines)
    return fence(short_curl_of(exchange), "sh") + fence(answer, "text")


def _all(view: ReportView) -> str:
    rows = "".join(
        f"| {requirement.id} | {requirement.level} | {requirement.profile} | {_own(requirement.statement)} "
        f"| {label_of(finding.verdict)} |\n"
        for finding in view.report.findings
        for requirement in (finding.requirement,)
    )
    head = "| id | level | profile | statement | verdict |\n|---|---|---|---|---|\n"
    return f"<details><summary>All {len(view.report.findings)} requirements</summary>\n\n{head}{rows}\n</details>\n"


def _own(text: str) -> str:
    """A text of the kit: code spans stay, and everything else is escaped."""
    parts = harmless(text).split("`")
    if len(parts) % 2 == 0:
        return code_span(text)
    escaped = (_SPECIAL.sub(r"\\\1", part) for part in parts[::2])
    return "".join(piece for pair in zip(escaped, [*map(code_span, parts[1::2]), ""], strict=True) for piece in pair)


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)
