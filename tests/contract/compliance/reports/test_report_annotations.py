import re
from typing import Any

from ops_contract.compliance.reports.annotations import github_annotations
from ops_contract.compliance.result import Report, Verdict


def test_findings_are_commands_with_what_happened_and_the_remedy(report_of: Any, finding: Any) -> None:
    found = finding("OPS-ART-003", Verdict.FAIL, "the same hash", "another, at 50%")
    (line,) = github_annotations(report_of((found,))).splitlines()
    assert line.startswith("::error title=policy-simulator%3A OPS-ART-003::")
    assert "failed: another, at 50%25%0A" in line


def test_warning_is_an_error_when_it_counts_as_a_failure(report_of: Any, finding: Any) -> None:
    report = report_of((finding("OPS-EXE-007", Verdict.WARN, "", "no version"),))
    assert github_annotations(report).startswith("::warning ")
    assert github_annotations(report, strict=True).startswith("::error ")


def test_module_that_cannot_be_reached_is_an_error(report_of: Any) -> None:
    assert "connection refused" in github_annotations(report_of((), unreachable="connection refused\n::set-env::"))


def test_module_without_findings_has_no_annotation(clean_report: Report) -> None:
    assert github_annotations(clean_report) == ""


def test_what_a_module_said_is_no_command_of_its_own(report: Report, secret: str) -> None:
    lines = github_annotations(report).splitlines()
    assert lines
    assert all(re.fullmatch(r"::(error|warning) title=[^:,]*::.*", line) for line in lines)
    assert secret not in "".join(lines)
