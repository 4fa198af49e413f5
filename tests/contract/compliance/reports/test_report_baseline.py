from collections.abc import Callable

import pytest

from ops_contract.compliance.reports.baseline import Baseline, BaselineError, apply_baseline, read_baseline
from ops_contract.compliance.result import ExitCode, Finding, Report, Verdict

MakeReport = Callable[..., Report]
MakeFinding = Callable[..., Finding]


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(BaselineError) as caught:
        read_baseline(text, "known.txt")
    return caught.value.problems


def test_list_is_read_with_its_reasons() -> None:
    text = "# due in March\r\n\r\n  OPS-ART-006  # old releases # need it\nOPS-EXE-007#gateway"
    assert read_baseline(text).reasons == {"OPS-ART-006": "old releases # need it", "OPS-EXE-007": "gateway"}


def test_empty_list_is_one() -> None:
    assert read_baseline("") == Baseline({})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("\nOPS-ART-03  # x", "line 2: 'OPS-ART-03' is not an id such as OPS-ART-003; did you mean 'OPS-ART-003'"),
        ("ops-art-003  # x", "line 1: 'ops-art-003' is not an id such as OPS-ART-003; did you mean 'OPS-ART-003'"),
        ("OPS-ZZZ-999 # x", "line 1: 'OPS-ZZZ-999' is not a requirement of this kit; the ids are in contract/SPEC.md"),
        ("OPS-ART-003", "line 1: OPS-ART-003 has no reason; write why it is not met after a #"),
        ("OPS-ART-003 #  ", "line 1: OPS-ART-003 has no reason"),
        ("OPS-ART-003 # a\nOPS-ART-003 # b", "line 2: OPS-ART-003 is listed in line 1 already"),
        ("OPS-ART-003 OPS-ART-004 # a", "line 1: 'OPS-ART-003 OPS-ART-004' is not an id"),
        ("\x1b[2J # a", "line 1: '<U+001B>[2J' is not an id"),
    ],
)
def test_mistake_is_told_with_its_line(text: str, problem: str) -> None:
    assert problems(text)[0].startswith(problem)


def test_all_mistakes_are_told_at_once_with_the_name_of_the_file() -> None:
    with pytest.raises(BaselineError, match=r"known.txt, line 1: .*\nknown.txt, line 3: "):
        read_baseline("nonsense # a\nOPS-EXE-001 # b\nOPS-EXE-002", "known.txt")


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.WARN, Verdict.NOT_TESTABLE])
def test_listed_failure_is_expected(verdict: Verdict, report_of: MakeReport, finding: MakeFinding) -> None:
    report = report_of([finding("OPS-EXE-001", verdict, "this", "that")])
    applied = apply_baseline(report, Baseline({"OPS-EXE-001": "in March"})).findings[0]
    assert (applied.verdict, applied.actual) == (Verdict.EXPECTED_FAIL, "that\nknown: in March")


def test_listed_failure_is_no_breach(report_of: MakeReport, finding: MakeFinding) -> None:
    report = report_of([finding("OPS-EXE-001", Verdict.FAIL)])
    assert apply_baseline(report, Baseline({"OPS-EXE-001": "x"})).exit_code() is ExitCode.COMPLIANT


def test_listed_pass_is_a_stale_entry_and_a_breach(report_of: MakeReport, finding: MakeFinding) -> None:
    applied = apply_baseline(report_of([finding("OPS-EXE-001", Verdict.PASS)]), Baseline({"OPS-EXE-001": "in March"}))
    assert applied.findings[0].verdict is Verdict.UNEXPECTED_PASS
    assert "in March" in applied.findings[0].expected
    assert applied.exit_code() is ExitCode.NOT_COMPLIANT


@pytest.mark.parametrize("verdict", [Verdict.NOT_APPLICABLE, Verdict.KIT_ERROR, Verdict.EXPECTED_FAIL])
def test_other_verdicts_stay(verdict: Verdict, report_of: MakeReport, finding: MakeFinding) -> None:
    report = report_of([finding("OPS-EXE-001", verdict)])
    assert apply_baseline(report, Baseline({"OPS-EXE-001": "x"})) == report


def test_what_is_not_listed_stays(report: Report) -> None:
    assert apply_baseline(report, Baseline({})) == report
