"""A report as every page and terminal shows it: redacted, counted, and sorted by what needs attention."""

from collections.abc import Mapping
from dataclasses import dataclass

from ops_contract.compliance.redaction import TERMINAL_BYTES, redacted, shortened
from ops_contract.compliance.reports.summary import (
    MARKS,
    WORDS,
    Summary,
    failures,
    name_of,
    profile_counts,
    subject_lines,
    summary_of,
    warnings,
)
from ops_contract.compliance.requirement import Profile
from ops_contract.compliance.result import Exchange, Finding, Report, Verdict


@dataclass(frozen=True)
class ReportView:
    """What is shown of a redacted report. `name` and `subject` are harmless; other texts of a module are not yet.

    `verdicts` are those that occur, and `counts` says how often, by profile.
    """

    report: Report
    name: str
    subject: tuple[tuple[str, str], ...]
    summary: Summary
    verdicts: tuple[Verdict, ...]
    counts: Mapping[Profile, Mapping[Verdict, int]]
    failures: tuple[Finding, ...]
    warnings: tuple[Finding, ...]


class SeenExchanges:
    """The exchanges that a report has shown, so that none is shown twice."""

    def __init__(self) -> None:
        """None is shown yet."""
        self._requirements: dict[tuple[object, ...], str] = {}

    def first_at(self, exchange: Exchange, requirement: str) -> str | None:
        """The requirement at which `exchange` was shown; None when `requirement` is the first to show it."""
        sent = (exchange.method, exchange.url, *sorted(exchange.request_headers.items()), exchange.request_body)
        came = (exchange.status, *sorted(exchange.headers.items()), exchange.body, exchange.error, exchange.seconds)
        key = (sent, came)
        if key in self._requirements:
            return self._requirements[key]
        self._requirements[key] = requirement
        return None


def view_of(report: Report, *, strict: bool = False) -> ReportView:
    """Redact a report and sort it; with `strict`, warnings are failures."""
    report = redacted(report)
    return ReportView(
        report=report,
        name=name_of(report),
        subject=subject_lines(report),
        summary=summary_of(report, strict=strict),
        verdicts=tuple(verdict for verdict in Verdict if report.counts[verdict]),
        counts=profile_counts(report),
        failures=failures(report, strict=strict),
        warnings=warnings(report, strict=strict),
    )


def label_of(verdict: Verdict) -> str:
    """A verdict in a mark and a word."""
    return f"{MARKS[verdict]} {WORDS[verdict]}"


def facts_of(finding: Finding, limit: int = TERMINAL_BYTES) -> tuple[tuple[str, str], ...]:
    """Expectation and fact by their names, as far as there are any, each of at most `limit` characters."""
    pairs = (("expected", finding.expected), ("actual", finding.actual))
    return tuple((name, shortened(text, limit)) for name, text in pairs if text)


def answer_of(exchange: Exchange) -> str:
    """The status that came back, or why none did."""
    return exchange.error or "no answer" if exchange.status is None else str(exchange.status)
