"""A report as one HTML file: no script, nothing loaded from anywhere, readable in the dark and in twenty years."""

from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256
from html import escape
from importlib.resources import files
from typing import Final

from ops_contract.compliance.reports.curl import short_curl_of
from ops_contract.compliance.reports.json_layout import laid_out
from ops_contract.compliance.reports.redaction import (
    REPORT_BYTES,
    harmless,
    harmless_lines,
    redacted,
    shortened,
    shown_body,
)
from ops_contract.compliance.reports.summary import (
    MARKS,
    WORDS,
    failures,
    name_of,
    profile_counts,
    remedy_of,
    subject_lines,
    summary_of,
    warnings,
)
from ops_contract.compliance.result import Exchange, Finding, Report, Verdict

_BY_WEIGHT: Final = (
    Verdict.KIT_ERROR,
    Verdict.FAIL,
    Verdict.UNEXPECTED_PASS,
    Verdict.NOT_TESTABLE,
    Verdict.EXPECTED_FAIL,
    Verdict.WARN,
    Verdict.PASS,
    Verdict.NOT_APPLICABLE,
)


def html_report(report: Report, *, strict: bool = False) -> str:
    """The whole page. Its policy lets a browser apply the one style sheet inside, by its hash, and do nothing else."""
    report = redacted(report)
    style = _style(report)
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    title = f"{_text(name_of(report))}: {summary_of(report, strict=strict).outcome}"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">\n'
        '<meta name="referrer" content="no-referrer">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{style}</style>\n</head>\n<body>\n{_body(report, strict=strict)}</body>\n</html>\n"
    )


def _style(report: Report) -> str:
    """The sheet, and the rules of the filter: one button shows one verdict's rows."""
    shown = [verdict for verdict in Verdict if report.counts[verdict]]
    rules = [
        *(f"#only-{verdict}:checked ~ .wide tbody tr:not(.row-{verdict}) {{ display: none; }}" for verdict in shown),
        *(
            f"#only-{name}:checked ~ label[for=only-{name}] {{ border-color: var(--text); font-weight: 600; }}"
            for name in ("all", *shown)
        ),
        *(
            f"#only-{name}:focus-visible ~ label[for=only-{name}] {{ outline: 2px solid var(--link); }}"
            for name in ("all", *shown)
        ),
    ]
    return "\n".join(["", files(__package__).joinpath("report.css").read_text(encoding="utf-8"), *rules, ""])


def _body(report: Report, *, strict: bool) -> str:
    sections = [_head(report, strict=strict)]
    if broken := failures(report, strict=strict):
        sections.append(_section("failures", "Failures", map(_failure, broken)))
    if told := warnings(report, strict=strict):
        sections.append(_section("warnings", "Warnings", map(_warning, told)))
    if report.findings:
        sections.append(_section("all", "All requirements", [_all(report)]))
    sections.append(f"<footer>Written by the OpenPolicyStack compliance kit {_text(report.kit_version)}.</footer>\n")
    return "".join(sections)


def _head(report: Report, *, strict: bool) -> str:
    summary = summary_of(report, strict=strict)
    title = f'<h1>{_text(name_of(report))}: <span class="{summary.tone}">{summary.outcome}</span></h1>\n'
    notes = "".join(f'<p class="note">{_text(note)}</p>\n' for note in summary.notes)
    facts = _definitions(subject_lines(report))
    return f"<header>\n{title}{_tiles(report, strict=strict)}{notes}{facts}{_counts(report)}</header>\n"


def _tiles(report: Report, *, strict: bool) -> str:
    """How many came out how, each leading to where they are told."""
    broken, told = failures(report, strict=strict), warnings(report, strict=strict)
    places = {item.verdict: "warnings" for item in told} | {item.verdict: "failures" for item in broken}
    tiles = "".join(
        f'<a class="tile {verdict}" href="#{places.get(verdict, "all")}">'
        f"<strong>{report.counts[verdict]}</strong> {MARKS[verdict]} {WORDS[verdict]}</a>\n"
        for verdict in _BY_WEIGHT
        if report.counts[verdict]
    )
    return f'<nav class="tiles">\n{tiles}</nav>\n' if tiles else ""


def _counts(report: Report) -> str:
    if not report.findings:
        return ""
    shown = [verdict for verdict in Verdict if report.counts[verdict]]
    head = "".join(f"<th>{MARKS[verdict]} {WORDS[verdict]}</th>" for verdict in shown)
    rows = "".join(
        f"<tr><td>{profile}</td>"
        + "".join(f'<td class="{verdict if counts[verdict] else "soft"}">{counts[verdict]}</td>' for verdict in shown)
        + "</tr>\n"
        for profile, counts in profile_counts(report).items()
    )
    table = f"<thead><tr><th>profile</th>{head}</tr></thead>\n<tbody>\n{rows}</tbody>"
    return f'<div class="wide"><table class="counts">\n{table}</table></div>\n'


def _section(name: str, title: str, parts: Iterable[str]) -> str:
    return f'<section id="{name}">\n<h2>{title}</h2>\n{"".join(parts)}</section>\n'


def _failure(finding: Finding) -> str:
    requirement = finding.requirement
    return _article(finding, (("why", requirement.why), ("spec", requirement.anchor)))


def _warning(finding: Finding) -> str:
    return _article(finding, ())


def _article(finding: Finding, more: Iterable[tuple[str, str]]) -> str:
    facts = _definitions((*_facts(finding), ("remedy", remedy_of(finding)), *more))
    exchanges = "".join(map(_exchange, finding.exchanges))
    return f'<article id="{escape(finding.requirement.id)}">\n{_title(finding)}{facts}{exchanges}</article>\n'


def _title(finding: Finding) -> str:
    requirement, verdict = finding.requirement, finding.verdict
    kind = f"{requirement.level} · {requirement.profile} · {WORDS[verdict]}"
    return (
        f'<h3><span class="{verdict}">{MARKS[verdict]} {_text(requirement.id)}</span> '
        f'{_statement(requirement.statement)}</h3>\n<p class="soft">{kind}</p>\n'
    )


def _facts(finding: Finding) -> tuple[tuple[str, str], ...]:
    pairs = (("expected", finding.expected), ("actual", finding.actual))
    return tuple((name, shortened(text, REPORT_BYTES)) for name, text in pairs if text)


def _exchange(exchange: Exchange) -> str:
    answer = exchange.error or "no answer" if exchange.status is None else f"{exchange.status} in {exchange.seconds:.3f} s"
    sent = [f"{exchange.method} {exchange.url}", *_headers(exchange.request_headers.items())]
    got = [answer, *_headers(exchange.headers.items())]
    if exchange.error and exchange.status is not None:
        got.append(f"! {exchange.error}")
    title = f"{exchange.method} {shortened(exchange.url, 200)} → {shortened(answer, 200)}"
    return (
        f"<details>\n<summary>{_text(title)}</summary>\n"
        f"{_block('Send it again', _lines(short_curl_of(exchange)))}"
        f"{_block('Request', _message(sent, exchange.request_body))}{_block('Answer', _message(got, exchange.body))}"
        "</details>\n"
    )


def _block(title: str, content: str) -> str:
    return f"<h4>{title}</h4>\n<pre>{content}</pre>\n"


def _headers(headers: Iterable[tuple[str, str]]) -> list[str]:
    return [f"{name}: {shortened(value)}" for name, value in headers]


def _message(head: list[str], content: bytes) -> str:
    lines = [_text(line) for line in head]
    body = shown_body(content)
    return "\n".join([*lines, "", _lines(laid_out(body.text) if body.whole else body.text)] if content else lines)


def _all(report: Report) -> str:
    shown = [verdict for verdict in Verdict if report.counts[verdict]]
    buttons = "".join(
        f'<input class="filter" type="radio" name="only" id="only-{name}"{" checked" if name == "all" else ""}>\n'
        for name in ("all", *shown)
    )
    labels = f'<label for="only-all">all {len(report.findings)}</label>\n' + "".join(
        f'<label for="only-{verdict}" class="{verdict}">{MARKS[verdict]} {WORDS[verdict]} {report.counts[verdict]}</label>\n'
        for verdict in shown
    )
    head = "<thead><tr><th>id</th><th>level</th><th>profile</th><th>statement</th><th>verdict</th></tr></thead>"
    told = {item.requirement.id for item in (*failures(report, strict=True), *warnings(report))}
    rows = "".join(_row(item, is_told=item.requirement.id in told) for item in report.findings)
    return f'{buttons}{labels}<div class="wide"><table class="all">\n{head}\n<tbody>\n{rows}</tbody></table></div>\n'


def _row(finding: Finding, *, is_told: bool) -> str:
    requirement, verdict = finding.requirement, finding.verdict
    name = f'<a href="#{escape(requirement.id)}">{_text(requirement.id)}</a>' if is_told else _text(requirement.id)
    return (
        f'<tr class="row-{verdict}"><td class="id">{name}</td><td>{requirement.level}</td><td>{requirement.profile}</td>'
        f"<td>{_statement(requirement.statement)}{'' if is_told else _reason(finding)}</td>"
        f'<td class="verdict {verdict}">{MARKS[verdict]} {WORDS[verdict]}</td></tr>\n'
    )


def _reason(finding: Finding) -> str:
    """Why a requirement was not looked at; what is wrong with the others is told in full elsewhere."""
    told = finding.actual if finding.verdict in (Verdict.NOT_APPLICABLE, Verdict.NOT_TESTABLE) else ""
    return f'<br><span class="soft">{_text(shortened(told))}</span>' if told else ""


def _statement(text: str) -> str:
    """Our own words, in which backticks mark code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return _text(text)
    return "".join(f"<code>{_text(part)}</code>" if index % 2 else _text(part) for index, part in enumerate(parts))


def _definitions(pairs: Iterable[tuple[str, str]]) -> str:
    kinds = {"remedy": ' class="remedy"'}  # what a reader came for
    rows = "".join(
        f"<dt{kinds.get(name, '')}>{name}</dt><dd{kinds.get(name, '')}>{_lines(text)}</dd>\n" for name, text in pairs
    )
    return f"<dl>\n{rows}</dl>\n"


def _text(text: str) -> str:
    return escape(harmless(text))


def _lines(text: str) -> str:
    return escape(harmless_lines(text))
