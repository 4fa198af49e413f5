from collections.abc import Callable
from dataclasses import replace

import pytest

from ops_contract.compliance.reports.summary import (
    MARKS,
    WORDS,
    failures,
    lacks_module,
    name_of,
    profile_counts,
    remedy_of,
    subject_lines,
    summary_of,
    unchecked,
    warnings,
)
from ops_contract.compliance.requirement import load_requirements
from ops_contract.compliance.result import Finding, Report, Subject, Verdict


def test_every_verdict_has_a_word_and_a_mark() -> None:
    assert set(WORDS) == set(MARKS) == set(Verdict)


def test_complete_and_clean_report_is_good(clean_report: Report) -> None:
    summary = summary_of(clean_report)
    assert (summary.outcome, summary.tone, summary.notes) == ("compliant", "good", ())


@pytest.mark.parametrize(
    ("identifier", "verdict", "expected"),
    [
        ("OPS-EXE-001", Verdict.FAIL, ("not compliant", "bad")),
        ("OPS-EXE-001", Verdict.NOT_TESTABLE, ("not compliant", "bad")),
        ("OPS-EXE-001", Verdict.UNEXPECTED_PASS, ("not compliant", "bad")),
        ("OPS-EXE-001", Verdict.KIT_ERROR, ("the kit failed", "bad")),
        ("OPS-EXE-001", Verdict.EXPECTED_FAIL, ("compliant", "doubtful")),
        ("OPS-HLT-004", Verdict.NOT_TESTABLE, ("compliant", "doubtful")),
        ("OPS-HLT-004", Verdict.WARN, ("compliant", "good")),
        ("OPS-CTR-001", Verdict.NOT_APPLICABLE, ("compliant", "good")),
    ],
)
def test_outcome_is_good_only_when_nothing_is_left_open(
    identifier: str,
    verdict: Verdict,
    expected: tuple[str, str],
    report_of: Callable[..., Report],
    finding: Callable[..., Finding],
) -> None:
    summary = summary_of(report_of(replacing=[finding(identifier, verdict)]))
    assert (summary.outcome, summary.tone) == expected


def test_warning_counts_when_strict(report_of: Callable[..., Report], finding: Callable[..., Finding]) -> None:
    report = report_of(replacing=[finding("OPS-HLT-004", Verdict.WARN)])
    assert summary_of(report, strict=True).outcome == "not compliant"
    assert [item.requirement.id for item in failures(report, strict=True)] == ["OPS-HLT-004"]
    assert warnings(report, strict=True) == ()


def test_part_of_the_kit_is_no_whole_result(report_of: Callable[..., Report], finding: Callable[..., Finding]) -> None:
    report = report_of([finding("OPS-HLT-001", Verdict.PASS)])
    assert len(unchecked(report)) == len(load_requirements()) - 1
    assert summary_of(report).tone == "doubtful"


def test_newer_requirements_are_not_missing_in_an_older_report(report_of: Callable[..., Report]) -> None:
    assert unchecked(report_of(contract_version="0.9")) == ()


def test_empty_report_is_no_compliance(report_of: Callable[..., Report]) -> None:
    assert summary_of(report_of()).outcome == "nothing was checked"


def test_report_of_what_does_not_apply_is_no_compliance(
    report_of: Callable[..., Report], finding: Callable[..., Finding]
) -> None:
    assert summary_of(report_of([finding("OPS-CTR-001", Verdict.NOT_APPLICABLE)])).outcome == "nothing was checked"


def test_unreachable_module_is_bad_and_says_why(report_of: Callable[..., Report], hostile: str) -> None:
    summary = summary_of(report_of(unreachable=hostile))
    assert (summary.outcome, summary.tone, summary.compliant) == ("not reachable", "bad", False)
    assert summary.notes[0].isprintable()


def test_failures_and_warnings_divide_what_is_not_met(report: Report) -> None:
    assert [item.verdict for item in failures(report)] == [
        Verdict.FAIL,
        Verdict.NOT_TESTABLE,
        Verdict.UNEXPECTED_PASS,
        Verdict.KIT_ERROR,
    ]
    assert [item.verdict for item in warnings(report)] == [Verdict.WARN, Verdict.NOT_TESTABLE, Verdict.EXPECTED_FAIL]


def test_counts_of_profiles_add_up(report: Report) -> None:
    counts = profile_counts(report)
    assert list(counts) == ["core", "artifacts", "deterministic"]
    assert {verdict: sum(row[verdict] for row in counts.values()) for verdict in Verdict} == report.counts


def test_subject_is_harmless_and_leaves_out_what_is_unknown(report: Report, clean_report: Report) -> None:
    assert all(value.isprintable() for _, value in subject_lines(report))
    assert "image" not in dict(subject_lines(clean_report))


def test_name_is_harmless_and_short(report: Report, clean_report: Report) -> None:
    assert name_of(report).isprintable()
    subject = replace(clean_report.subject, module="x" * 1000)
    assert len(name_of(replace(clean_report, subject=subject))) < 200


def test_module_is_told_to_fix_only_what_is_its_own(report: Report) -> None:
    remedies = {finding.verdict: remedy_of(finding) for finding in report.findings}
    assert "authors of the kit" in remedies[Verdict.KIT_ERROR]
    assert "list of known failures" in remedies[Verdict.UNEXPECTED_PASS]
    assert remedies[Verdict.FAIL] == load_requirements()["OPS-EXE-001"].remedy


def test_unreachable_module_has_no_list_of_failures(report_of: Callable[..., Report], finding: Callable[..., Finding]) -> None:
    untested = [finding(one, Verdict.NOT_TESTABLE) for one in ("OPS-EXE-001", "OPS-EXE-007")]
    report = report_of(untested, unreachable="refused")
    assert (failures(report), warnings(report)) == ((), ())
    assert lacks_module(report)


@pytest.mark.parametrize(
    ("name", "verdict", "lacking"),
    [(None, Verdict.FAIL, True), (None, Verdict.PASS, False), ("monitor", Verdict.FAIL, False)],
)
def test_module_is_lacking_when_nothing_names_itself_and_nothing_executes(
    name: str | None, verdict: Verdict, lacking: bool, report_of: Callable[..., Report], finding: Callable[..., Finding]
) -> None:
    report = report_of([finding("OPS-EXE-001", verdict)], subject=Subject(target="x", url="http://x", module=name))
    assert lacks_module(report) is lacking
