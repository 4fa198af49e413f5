import json
from collections.abc import Callable
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from ops_contract.compliance.reports.diff import Change, Difference, diff_reports, json_diff, terminal_diff
from ops_contract.compliance.result import ExitCode, Finding, Report, Verdict

MakeReport = Callable[..., Report]
MakeFinding = Callable[..., Finding]


def ids(changes: tuple[Change, ...]) -> list[str]:
    return [change.requirement.id for change in changes]


def shown(difference: Difference) -> str:
    file = StringIO()
    Console(file=file, width=200).print(terminal_diff(difference))
    return file.getvalue()


@pytest.fixture
def compared(report_of: MakeReport, finding: MakeFinding) -> Callable[[Verdict, Verdict], Difference]:
    def compare(old: Verdict, new: Verdict) -> Difference:
        return diff_reports(report_of([finding("OPS-EXE-001", old)]), report_of([finding("OPS-EXE-001", new)]))

    return compare


@pytest.mark.parametrize("new", [Verdict.FAIL, Verdict.WARN, Verdict.NOT_TESTABLE, Verdict.EXPECTED_FAIL])
def test_met_before_and_not_now_is_lost(new: Verdict, compared: Callable[..., Difference]) -> None:
    difference = compared(Verdict.PASS, new)
    assert ids(difference.lost) == ["OPS-EXE-001"]
    assert difference.exit_code is ExitCode.NOT_COMPLIANT


@pytest.mark.parametrize("old", [Verdict.FAIL, Verdict.NOT_TESTABLE, Verdict.EXPECTED_FAIL])
def test_not_met_before_and_met_now_is_won(old: Verdict, compared: Callable[..., Difference]) -> None:
    difference = compared(old, Verdict.PASS)
    assert ids(difference.won) == ["OPS-EXE-001"]
    assert difference.exit_code is ExitCode.COMPLIANT


@pytest.mark.parametrize(
    ("old", "new"),
    [(Verdict.NOT_TESTABLE, Verdict.FAIL), (Verdict.NOT_APPLICABLE, Verdict.PASS), (Verdict.PASS, Verdict.NOT_APPLICABLE)],
)
def test_other_differences_are_changes(old: Verdict, new: Verdict, compared: Callable[..., Difference]) -> None:
    difference = compared(old, new)
    assert ids(difference.changed) == ["OPS-EXE-001"]
    assert not difference.lost
    assert not difference.won


def test_check_that_broke_is_no_loss_of_the_module(compared: Callable[..., Difference]) -> None:
    difference = compared(Verdict.PASS, Verdict.KIT_ERROR)
    assert not difference.lost
    assert difference.exit_code is ExitCode.KIT_ERROR


def test_profile_that_is_no_longer_declared_is_lost(report_of: MakeReport, finding: MakeFinding) -> None:
    old = report_of([finding("OPS-ART-003", Verdict.PASS)])
    new = report_of([finding("OPS-ART-003", Verdict.NOT_APPLICABLE)], subject=replace(old.subject, profiles=()))
    assert ids(diff_reports(old, new).lost) == ["OPS-ART-003"]


def test_requirements_of_one_report_only_are_new_or_gone(report_of: MakeReport, finding: MakeFinding) -> None:
    one, other = report_of([finding("OPS-EXE-001", Verdict.PASS)]), report_of([finding("OPS-EXE-002", Verdict.FAIL)])
    difference = diff_reports(one, other)
    assert (ids(difference.added), ids(difference.gone)) == (["OPS-EXE-002"], ["OPS-EXE-001"])
    assert difference.exit_code is ExitCode.COMPLIANT


def test_equal_reports_do_not_differ(report: Report) -> None:
    difference = diff_reports(report, report)
    assert (difference.lost, difference.won, difference.changed, difference.added, difference.gone) == ((), (), (), (), ())
    assert "No requirement came out differently." in shown(difference)


def test_unreachable_module_cannot_be_compared(clean_report: Report, report_of: MakeReport) -> None:
    difference = diff_reports(clean_report, report_of(unreachable="refused"))
    assert difference.exit_code is ExitCode.UNREACHABLE
    assert "not reachable: refused" in shown(difference)


def test_terminal_shows_losses_first(clean_report: Report, report: Report) -> None:
    text = shown(diff_reports(clean_report, report))
    assert text.index("Lost (6)") < text.index("Changed (2)") < text.index("No longer checked")
    assert "OPS-EXE-001 MUST passed → failed" in text
    assert text.splitlines()[-1] == "6 lost, 2 changed, 45 gone · ops-contract explain OPS-EXE-001"
    assert text.replace("\n", "").isprintable()


def test_json_holds_every_kind(clean_report: Report, report: Report, secret: str) -> None:
    written = json_diff(diff_reports(clean_report, report))
    document = json.loads(written)
    assert list(document) == ["exit_code", "unreachable", "old", "new", "lost", "won", "changed", "added", "gone"]
    assert document["exit_code"] == 1
    assert (document["lost"][0]["old"], document["lost"][0]["new"]) == ("pass", "fail")
    assert written.isascii()
    assert secret not in written
