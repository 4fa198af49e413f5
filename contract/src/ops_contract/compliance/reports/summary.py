"""What all reports begin with: the outcome, the counts, and which findings are failures or warnings."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

from ops_contract.compliance.redaction import harmless, shortened
from ops_contract.compliance.requirement import Profile, load_requirements
from ops_contract.compliance.result import ExitCode, Finding, Report, Verdict, is_breach

PROFILES: Final[tuple[Profile, ...]] = get_args(Profile)

WORDS: Final[Mapping[Verdict, str]] = {
    Verdict.PASS: "passed",
    Verdict.FAIL: "failed",
    Verdict.WARN: "warning",
    Verdict.NOT_APPLICABLE: "not applicable",
    Verdict.NOT_TESTABLE: "not testable",
    Verdict.EXPECTED_FAIL: "failed as expected",
    Verdict.UNEXPECTED_PASS: "passed unexpectedly",
    Verdict.KIT_ERROR: "kit error",
}
MARKS: Final[Mapping[Verdict, str]] = {
    Verdict.PASS: "✓",
    Verdict.FAIL: "✗",
    Verdict.WARN: "!",
    Verdict.NOT_APPLICABLE: "-",
    Verdict.NOT_TESTABLE: "?",
    Verdict.EXPECTED_FAIL: "~",
    Verdict.UNEXPECTED_PASS: "✗",
    Verdict.KIT_ERROR: "‼",
}

GOOD_REQUEST: Final = "OPS-EXE-001"
"""Where it is not met, nearly nothing else can be tested."""

Tone = Literal["good", "doubtful", "bad"]


@dataclass(frozen=True)
class Summary:
    """The outcome of a report. `tone` is good only for a complete report without known failures or untested requirements."""

    outcome: str
    tone: Tone
    compliant: bool
    notes: tuple[str, ...]


def summary_of(report: Report, *, strict: bool = False) -> Summary:
    """The outcome in two or three words, and notes that qualify it."""
    code = report.exit_code(strict=strict)
    match code:
        case ExitCode.UNREACHABLE:
            notes: tuple[str, ...] = (f"The module could not be tested: {harmless(report.unreachable or '')}",)
            return Summary("not reachable", "bad", compliant=False, notes=notes)
        case ExitCode.KIT_ERROR:
            return Summary("the kit failed", "bad", compliant=False, notes=_notes(report))
        case ExitCode.COMPLIANT if any(item.verdict is not Verdict.NOT_APPLICABLE for item in report.findings):
            notes = _notes(report)
            return Summary("compliant", "doubtful" if notes else "good", compliant=True, notes=notes)
        case ExitCode.COMPLIANT:
            return Summary("nothing was checked", "bad", compliant=False, notes=_notes(report))
        case _:
            return Summary("not compliant", "bad", compliant=False, notes=_notes(report))


def failures(report: Report, *, strict: bool = False) -> tuple[Finding, ...]:
    """Findings that make the module not compliant, and checks that failed in the kit itself."""
    return tuple(item for item in _informative(report) if is_breach(item, strict=strict) or item.verdict is Verdict.KIT_ERROR)


def warnings(report: Report, *, strict: bool = False) -> tuple[Finding, ...]:
    """Findings to know about in a compliant module: SHOULDs that are not met, and known failures."""
    kinds = (Verdict.WARN, Verdict.NOT_TESTABLE, Verdict.EXPECTED_FAIL)
    return tuple(item for item in _informative(report) if item.verdict in kinds and not is_breach(item, strict=strict))


def _informative(report: Report) -> tuple[Finding, ...]:
    """All findings; without the untested ones when no good request is answered, which would only repeat that."""
    if report.untested and set(report.untested) >= set(report.subject.actions):
        return tuple(
            one for one in report.findings if one.requirement.id == GOOD_REQUEST or one.verdict is not Verdict.NOT_TESTABLE
        )
    if report.unreachable is None and not _refuses_all(report):
        return report.findings
    return tuple(item for item in report.findings if item.verdict is not Verdict.NOT_TESTABLE)


def lacks_module(report: Report) -> bool:
    """Whether the target is not a module at all: no health names one, and no good request is answered."""
    executes = any(item.requirement.id == GOOD_REQUEST and item.verdict is Verdict.PASS for item in report.findings)
    return report.unreachable is not None or (report.subject.module is None and not executes)


def _refuses_all(report: Report) -> bool:
    good = [item for item in report.findings if item.requirement.id == GOOD_REQUEST and item.verdict is Verdict.FAIL]
    return any(exchange.status != 200 for item in good for exchange in item.exchanges[:1])


def name_of(report: Report) -> str:
    """The name of the module, or else of the target: one harmless line, short enough to leave the outcome visible."""
    return shortened(harmless(report.subject.module or report.subject.target), 128)


def remedy_of(finding: Finding) -> str:
    """What to do about a finding; not every verdict asks for a change in the module."""
    match finding.verdict:
        case Verdict.KIT_ERROR:
            return "Change nothing in the module; report this to the authors of the kit."
        case Verdict.UNEXPECTED_PASS:
            return "Take its line off the list of known failures."
        case _:
            return finding.requirement.remedy


def profile_counts(report: Report) -> Mapping[Profile, Mapping[Verdict, int]]:
    """The verdict counts of each profile in the report."""
    present = {finding.requirement.profile for finding in report.findings}
    return {
        profile: {
            verdict: sum(item.requirement.profile == profile and item.verdict is verdict for item in report.findings)
            for verdict in Verdict
        }
        for profile in PROFILES
        if profile in present
    }


def unchecked(report: Report) -> tuple[str, ...]:
    """Requirements of the report's contract version that are missing in it, because only a part was checked."""
    version = _numbers(report.contract_version)
    found = {finding.requirement.id for finding in report.findings}
    catalogue = load_requirements().values()
    return tuple(item.id for item in catalogue if item.id not in found and _numbers(item.since) <= version)


def subject_lines(report: Report) -> tuple[tuple[str, str], ...]:
    """What was checked and with which kit, as names and values of one harmless line each."""
    subject = report.subject
    target = subject.target if subject.target != subject.url else ""
    lines = (
        ("module", " ".join(filter(None, (subject.module, subject.version)))),
        ("target", target),
        ("url", subject.url),
        ("image", subject.image_digest or ""),
        ("profiles", ", ".join(subject.profiles)),
        ("adapter", _covered(report)),
        ("not tested", "; ".join(f"{action}: {why}" for action, why in report.untested.items())),
        ("contract", f"{report.contract_version} (module: {', '.join(subject.contract_versions) or 'not declared'})"),
        ("kit", report.kit_version),
        ("checked", f"{report.started_at}, in {report.duration_s:.1f} s"),
    )
    return tuple((name, shortened(harmless(value))) for name, value in lines if value)


def _covered(report: Report) -> str:
    met = report.counts[Verdict.PASS]
    return (
        f"provides {len(report.covered)} of the {met} requirements that are met: {', '.join(report.covered)}"
        if report.covered
        else ""
    )


def _notes(report: Report) -> tuple[str, ...]:
    missing, counts = len(unchecked(report)), report.counts
    untested, known = counts[Verdict.NOT_TESTABLE], counts[Verdict.EXPECTED_FAIL]
    stale, broke = counts[Verdict.UNEXPECTED_PASS], counts[Verdict.KIT_ERROR]
    notes = (
        (missing, f"Only a part was checked; requirements that are missing in this report: {missing}."),
        (untested, f"Requirements that could not be tested, which counts as not met: {untested}."),
        (known, f"Known failures, which are not met: {known}."),
        (stale, f"Known failures that are met now; take them off the list: {stale}."),
        (broke, f"Checks that failed because of a bug in the kit, not because of the module: {broke}."),
    )
    return tuple(text for number, text in notes if number)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isascii() and part.isdigit())
