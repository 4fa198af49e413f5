"""A report in one line for a README: for shields.io, or as a picture. Green means a complete report with nothing open."""

import json
from html import escape
from typing import Final

from ops_contract.compliance.redaction import harmless, shortened
from ops_contract.compliance.reports.summary import PROFILES, WORDS, failures, summary_of, unchecked
from ops_contract.compliance.requirement import Profile, load_requirements
from ops_contract.compliance.result import Report, Verdict

_COLOURS: Final = {"good": "brightgreen", "doubtful": "yellow", "bad": "red"}
_FILLS: Final = {"good": "#2e7d32", "doubtful": "#8a6100", "bad": "#b3261e"}
_OPEN: Final = (Verdict.FAIL, Verdict.NOT_TESTABLE, Verdict.EXPECTED_FAIL, Verdict.UNEXPECTED_PASS, Verdict.KIT_ERROR)
_DIGEST_DIGITS: Final = 12
# Widths of Verdana 11, roughly; `textLength` makes them exact.
_WIDTHS: Final = {**dict.fromkeys("fijlrt.,:;'|!·()- ", 4.2), **dict.fromkeys("mwMW@%", 10.2)}
_LETTER: Final = 7.0
_MARGIN: Final = 6


def shields_badge(report: Report, *, strict: bool = False) -> str:
    """JSON for https://shields.io/badges/endpoint-badge. The colour of an error cannot be overridden in the badge's URL."""
    tone = summary_of(report, strict=strict).tone
    badge = {
        "schemaVersion": 1,
        "label": _label(report),
        "message": badge_message(report, strict=strict),
        "color": _COLOURS[tone],
        "isError": tone == "bad",
    }
    return json.dumps(badge, ensure_ascii=False) + "\n"


def svg_badge(report: Report, *, strict: bool = False) -> str:
    """The same badge as a self-contained SVG picture."""
    label, message = _label(report), badge_message(report, strict=strict)
    left, right = _width(label), _width(message)
    fill = _FILLS[summary_of(report, strict=strict).tone]
    title = escape(f"{label}: {message}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" aria-label="{title}">\n'
        f"<title>{title}</title>\n"
        f'<clipPath id="round"><rect width="{left + right}" height="20" rx="3"/></clipPath>\n'
        f'<g clip-path="url(#round)"><rect width="{left}" height="20" fill="#444c56"/>'
        f'<rect x="{left}" width="{right}" height="20" fill="{fill}"/></g>\n'
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">\n'
        f"{_svg_text(label, 0, left)}{_svg_text(message, left, right)}</g>\n</svg>\n"
    )


def badge_message(report: Report, *, strict: bool = False) -> str:
    """The profiles that are met, the outcome, what is left open, and the image."""
    summary = summary_of(report, strict=strict)
    parts = [", ".join(met_profiles(report)), summary.outcome, _left_open(report, strict=strict)]
    if report.subject.image_digest:
        parts.append(_short_digest(report.subject.image_digest))
    return " · ".join(filter(None, parts))


def met_profiles(report: Report) -> tuple[Profile, ...]:
    """The profiles that bind the module and are met: every requirement was checked, and no MUST is left open."""
    skipped = set(unchecked(report))
    started = {item.profile for item in load_requirements().values() if item.id in skipped}
    left_open = {
        item.requirement.profile for item in report.findings if item.requirement.level == "MUST" and item.verdict in _OPEN
    }
    passed = {item.requirement.profile for item in report.findings if item.verdict is Verdict.PASS}
    if report.unreachable is not None:
        return ()
    return tuple(profile for profile in PROFILES if profile in passed - left_open - started)


def _left_open(report: Report, *, strict: bool) -> str:
    if report.unreachable is not None:
        return ""
    failed, counts = len(failures(report, strict=strict)), report.counts
    if failed:
        return f"{failed} not met"
    counted = [
        f"{counts[verdict]} {WORDS[verdict]}" for verdict in (Verdict.EXPECTED_FAIL, Verdict.NOT_TESTABLE) if counts[verdict]
    ]
    missing = len(unchecked(report))
    return ", ".join([*counted, *([f"{missing} not checked"] if missing else [])])


def _short_digest(digest: str) -> str:
    _, _, digits = digest.rpartition(":")
    return harmless(digits[:_DIGEST_DIGITS])


def _label(report: Report) -> str:
    return f"OpenPolicyStack {shortened(harmless(report.contract_version), 16)}"


def _width(text: str) -> int:
    return round(sum(_WIDTHS.get(letter, _LETTER) for letter in text)) + 2 * _MARGIN


def _svg_text(text: str, start: int, width: int) -> str:
    return f'<text x="{start + _MARGIN}" y="14" textLength="{width - 2 * _MARGIN}">{escape(text)}</text>\n'
