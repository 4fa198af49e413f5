"""Known failures: a text file with one requirement a line, and the reason why it is not met yet.

# due in March
OPS-ART-006  # old releases need the open folder
OPS-EXE-007  # the gateway writes the envelope
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from ops_contract import suggestion
from ops_contract.compliance.redaction import harmless, shortened
from ops_contract.compliance.requirement import load_requirements
from ops_contract.compliance.result import Finding, Report, Verdict

_IDENTIFIER: Final = re.compile(r"OPS-[A-Z]{3}-[0-9]{3}")
_NOT_MET: Final = (Verdict.FAIL, Verdict.WARN, Verdict.NOT_TESTABLE)


@dataclass(frozen=True)
class Baseline:
    """Why each listed requirement is not met yet, by its id."""

    reasons: Mapping[str, str]


class BaselineError(ValueError):
    """A list of known failures cannot be read; `problems` has one sentence for each wrong line."""

    def __init__(self, name: str, problems: tuple[str, ...]) -> None:
        """Keep the name of the file and its problems."""
        super().__init__("\n".join(f"{name}, {problem}" for problem in problems))
        self.name = name
        self.problems = problems


def read_baseline(text: str, name: str = "baseline", known: Collection[str] | None = None) -> Baseline:
    """Read the list; messages call it `name`, and `known` are the valid ids, by default those of this kit.

    Raises BaselineError with every problem: an unknown or repeated id, a line without a reason.
    """
    ids = load_requirements().keys() if known is None else known
    reasons: dict[str, str] = {}
    lines: dict[str, int] = {}
    problems = []
    for number, identifier, reason in _entries(text):
        if problem := _problem(identifier, reason, ids):
            problems.append(f"line {number}: {problem}")
        elif identifier in lines:
            problems.append(f"line {number}: {identifier} is listed in line {lines[identifier]} already; keep one of them")
        else:
            reasons[identifier], lines[identifier] = reason, number
    if problems:
        raise BaselineError(name, tuple(problems))
    return Baseline(reasons)


def apply_baseline(report: Report, baseline: Baseline) -> Report:
    """`report` with the listed failures as expected ones; an entry whose requirement is met is stale, and a breach."""
    return replace(report, findings=tuple(_applied(finding, baseline) for finding in report.findings))


def _applied(finding: Finding, baseline: Baseline) -> Finding:
    reason = baseline.reasons.get(finding.requirement.id)
    if reason is None:
        return finding
    if finding.verdict in _NOT_MET:
        actual = f"{finding.actual}\nknown: {reason}" if finding.actual else f"known: {reason}"
        return replace(finding, verdict=Verdict.EXPECTED_FAIL, actual=actual)
    if finding.verdict is Verdict.PASS:
        expected = f"not met, as the list of known failures says: {reason}"
        return replace(finding, verdict=Verdict.UNEXPECTED_PASS, expected=expected, actual="met; take its line off the list")
    return finding


def _entries(text: str) -> Iterator[tuple[int, str, str]]:
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        identifier, _, reason = line.partition("#")
        if identifier.strip():
            yield number, identifier.strip(), reason.strip()


def _problem(identifier: str, reason: str, known: Collection[str]) -> str | None:
    quoted = repr(shortened(harmless(identifier), 60))
    if identifier not in known:
        hint = suggestion(identifier, known) or "the ids are in contract/SPEC.md"
        kind = "is not a requirement of this kit" if _IDENTIFIER.fullmatch(identifier) else "is not an id such as OPS-ART-003"
        return f"{quoted} {kind}; {hint}"
    return None if reason else f"{identifier} has no reason; write why it is not met after a #"
