"""A report as one self-contained HTML file without scripts, for light and dark screens."""

from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256
from html import escape
from importlib.resources import files
from typing import Final

from ops_contract.compliance.examples import load_examples
from ops_contract.compliance.redaction import REPORT_BYTES, harmless, harmless_lines, shortened, shown_body
from ops_contract.compliance.reports.curl import short_curl_of
from ops_contract.compliance.reports.json_layout import laid_out
from ops_contract.compliance.reports.summary import MARKS, WORDS, remedy_of
from ops_contract.compliance.reports.view import ReportView, SeenExchanges, answer_of, facts_of, label_of, view_of
from ops_contract.compliance.requirement import Requirement
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
    """The whole page. Its policy allows only the style sheet inside, by its hash."""
    view = view_of(report, strict=strict)
    style = _style(view)
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    title = f"{_text(view.name)}: {view.summary.outcome}"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">\n'
        '<meta name="referrer" content="no-referrer">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{style}</style>\n</head>\n<body>\n{_body(view)}</body>\n</html>\n"
    )


def _style(view: ReportView) -> str:
    """The style sheet with the rules of the filter, where each button shows the rows of one verdict."""
    rules = [
        *(f"#only-{verdict}:checked ~ .wide tbody tr:not(.row-{verdict}) {{ display: none; }}" for verdict in view.verdicts),
        *(
            f"#only-{name}:checked ~ label[for=only-{name}] {{ border-color: var(--text); font-weight: 600; }}"
            for name in ("all", *view.verdicts)
        ),
        *(
            f"#only-{name}:focus-visible ~ label[for=only-{name}] {{ outline: 2px solid var(--link); }}"
            for name in ("all", *view.verdicts)
        ),
    ]
    return "\n".join(["", files(__package__).joinpath("report.css").read_text(encoding="utf-8"), *rules, ""])


def _body(view: ReportView) -> str:
    sections, seen = [_head(view)], SeenExchanges()
    if view.failures:
        sections.append(_section("failures", "Failures", (_article(one, seen) for one in view.failures)))
    if view.warnings:
        sections.append(_section("warnings", "Warnings", (_article(one, seen) for one in view.warnings)))
    if view.report.findings:
        sections.append(_section("all", "All requirements", [_all(view)]))
        explained = (_explanation(finding.requirement) for finding in view.report.findings)
        sections.append(_section("meaning", "What each requirement means", explained))
    sections.append(f"<footer>Written by the OpenPolicyStack compliance kit {_text(view.report.kit_version)}.</footer>\n")
    return "".join(sections)


def _head(view: ReportView) -> str:
    title = f'<h1>{_text(view.name)}: <span class="{view.summary.tone}">{view.summary.outcome}</span></h1>\n'
    notes = "".join(f'<p class="note">{_text(note)}</p>\n' for note in view.summary.notes)
    return f"<header>\n{title}{_tiles(view)}{notes}{_definitions(view.subject)}{_counts(view)}</header>\n"


def _tiles(view: ReportView) -> str:
    """Verdict counts, each linked to its section."""
    places = {item.verdict: "warnings" for item in view.warnings} | {item.verdict: "failures" for item in view.failures}
    tiles = "".join(
        f'<a class="tile {verdict}" href="#{places.get(verdict, "all")}">'
        f"<strong>{view.report.counts[verdict]}</strong> {label_of(verdict)}</a>\n"
        for verdict in _BY_WEIGHT
        if verdict in view.verdicts
    )
    return f'<nav class="tiles">\n{tiles}</nav>\n' if tiles else ""


def _counts(view: ReportView) -> str:
    if not view.report.findings:
        return ""
    head = "".join(f"<th>{label_of(verdict)}</th>" for verdict in view.verdicts)
    rows = "".join(
        f"<tr><td>{profile}</td>"
        + "".join(f'<td class="{verdict if counts[verdict] else "soft"}">{counts[verdict]}</td>' for verdict in view.verdicts)
        + "</tr>\n"
        for profile, counts in view.counts.items()
    )
    table = f"<thead><tr><th>profile</th>{head}</tr></thead>\n<tbody>\n{rows}</tbody>"
    return f'<div class="wide"><table class="counts">\n{table}</table></div>\n'


def _section(name: str, title: str, parts: Iterable[str]) -> str:
    return f'<section id="{name}">\n<h2>{title}</h2>\n{"".join(parts)}</section>\n'


def _article(finding: Finding, seen: SeenExchanges) -> str:
    requirement = finding.requirement
    facts = (*facts_of(finding, REPORT_BYTES), ("why", requirement.why), ("remedy", remedy_of(finding)))
    exchanges = "".join(_exchange(one, seen.first_at(one, requirement.id)) for one in finding.exchanges)
    meaning = f'<p><a href="#{_meaning(requirement)}">what it means, with a good and a bad example</a></p>\n'
    return f'<article id="{escape(requirement.id)}">\n{_title(finding)}{_definitions(facts)}{meaning}{exchanges}</article>\n'


def _explanation(requirement: Requirement) -> str:
    """What a requirement means, for somebody who has this page alone."""
    kind = f"{requirement.level} · {requirement.profile} · since {_text(requirement.since)}"
    reasons = _definitions((("why", requirement.why), ("remedy", requirement.remedy)))
    example = load_examples().get(requirement.id)
    examples = f"{_block('Good', _lines(example.good))}{_block('Bad', _lines(example.bad))}" if example else ""
    return (
        f'<article id="{_meaning(requirement)}">\n<h3>{_text(requirement.id)} {_statement(requirement.statement)}</h3>\n'
        f'<p class="soft">{kind}</p>\n{reasons}{examples}</article>\n'
    )


def _meaning(requirement: Requirement) -> str:
    """The place on the page where a requirement is explained."""
    return f"meaning-{escape(requirement.id.lower())}"


def _title(finding: Finding) -> str:
    requirement, verdict = finding.requirement, finding.verdict
    kind = f"{requirement.level} · {requirement.profile} · {WORDS[verdict]}"
    return (
        f'<h3><span class="{verdict}">{MARKS[verdict]} {_text(requirement.id)}</span> '
        f'{_statement(requirement.statement)}</h3>\n<p class="soft">{kind}</p>\n'
    )


def _exchange(exchange: Exchange, shown_at: str | None) -> str:
    if shown_at is not None:
        return f'<p class="soft">the same exchange as at <a href="#{escape(shown_at)}">{_text(shown_at)}</a></p>\n'
    answer = answer_of(exchange) + ("" if exchange.status is None else f" in {exchange.seconds:.3f} s")
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


def _all(view: ReportView) -> str:
    buttons = "".join(
        f'<input class="filter" type="radio" name="only" id="only-{name}"{" checked" if name == "all" else ""}>\n'
        for name in ("all", *view.verdicts)
    )
    labels = f'<label for="only-all">all {len(view.report.findings)}</label>\n' + "".join(
        f'<label for="only-{verdict}" class="{verdict}">{label_of(verdict)} {view.report.counts[verdict]}</label>\n'
        for verdict in view.verdicts
    )
    head = "<thead><tr><th>id</th><th>level</th><th>profile</th><th>statement</th><th>verdict</th></tr></thead>"
    explained = {item.requirement.id for item in (*view.failures, *view.warnings)}
    rows = "".join(_row(item, is_explained=item.requirement.id in explained) for item in view.report.findings)
    return f'{buttons}{labels}<div class="wide"><table class="all">\n{head}\n<tbody>\n{rows}</tbody></table></div>\n'


def _row(finding: Finding, *, is_explained: bool) -> str:
    requirement, verdict = finding.requirement, finding.verdict
    place = escape(requirement.id) if is_explained else _meaning(requirement)
    name = f'<a href="#{place}">{_text(requirement.id)}</a>'
    return (
        f'<tr class="row-{verdict}"><td class="id">{name}</td><td>{requirement.level}</td><td>{requirement.profile}</td>'
        f"<td>{_statement(requirement.statement)}{'' if is_explained else _reason(finding)}</td>"
        f'<td class="verdict {verdict}">{label_of(verdict)}</td></tr>\n'
    )


def _reason(finding: Finding) -> str:
    """Why a requirement was not checked; what is wrong with the others has an article of its own."""
    reason = finding.actual if finding.verdict in (Verdict.NOT_APPLICABLE, Verdict.NOT_TESTABLE) else ""
    return f'<br><span class="soft">{_text(shortened(reason))}</span>' if reason else ""


def _statement(text: str) -> str:
    """A text of the kit, in which backticks mark code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return _text(text)
    return "".join(f"<code>{_text(part)}</code>" if index % 2 else _text(part) for index, part in enumerate(parts))


def _definitions(pairs: Iterable[tuple[str, str]]) -> str:
    kinds = {"remedy": ' class="remedy"'}  # highlighted, as the part to act on
    rows = "".join(
        f"<dt{kinds.get(name, '')}>{name}</dt><dd{kinds.get(name, '')}>{_lines(text)}</dd>\n" for name, text in pairs
    )
    return f"<dl>\n{rows}</dl>\n"


def _text(text: str) -> str:
    return escape(harmless(text))


def _lines(text: str) -> str:
    return escape(harmless_lines(text))
