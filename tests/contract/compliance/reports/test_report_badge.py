import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace

import pytest

from ops_contract.compliance.reports.badge import badge_message, met_profiles, shields_badge, svg_badge
from ops_contract.compliance.result import Finding, Report, Verdict


def colour(report: Report) -> str:
    return str(json.loads(shields_badge(report))["color"])


def test_clean_badge_is_green_with_version_and_profiles(clean_report: Report) -> None:
    assert json.loads(shields_badge(clean_report)) == {
        "schemaVersion": 1,
        "label": "OpenPolicyStack 1.0",
        "message": "core, artifacts, deterministic, idempotent, container · compliant",
        "color": "brightgreen",
        "isError": False,
    }


def test_digest_of_the_image_is_shown_short(clean_report: Report) -> None:
    subject = replace(clean_report.subject, image_digest="sha256:" + "1a2b3c4d" * 8)
    assert badge_message(replace(clean_report, subject=subject)).endswith(" · compliant · 1a2b3c4d1a2b")


@pytest.mark.parametrize(
    "verdict", [Verdict.FAIL, Verdict.NOT_TESTABLE, Verdict.EXPECTED_FAIL, Verdict.UNEXPECTED_PASS, Verdict.KIT_ERROR]
)
def test_what_is_left_open_never_looks_green(
    verdict: Verdict, report_of: Callable[..., Report], finding: Callable[..., Finding]
) -> None:
    report = report_of(replacing=[finding("OPS-ART-003", verdict)])
    assert "green" not in colour(report)
    assert "artifacts" not in met_profiles(report)


def test_untested_should_is_not_green(report_of: Callable[..., Report], finding: Callable[..., Finding]) -> None:
    report = report_of(replacing=[finding("OPS-HLT-004", Verdict.NOT_TESTABLE)])
    assert colour(report) == "yellow"
    assert "1 not testable" in badge_message(report)


def test_part_of_the_kit_is_not_green(report_of: Callable[..., Report], finding: Callable[..., Finding]) -> None:
    report = report_of([finding("OPS-HLT-001", Verdict.PASS)])
    assert colour(report) == "yellow"
    assert met_profiles(report) == ()
    assert "not checked" in badge_message(report)


def test_profile_that_does_not_apply_is_not_met(report_of: Callable[..., Report], finding: Callable[..., Finding]) -> None:
    skipped = [finding(f"OPS-CTR-00{number}", Verdict.NOT_APPLICABLE) for number in (1, 2, 3)]
    report = report_of(replacing=skipped)
    assert met_profiles(report) == ("core", "artifacts", "deterministic", "idempotent")
    assert colour(report) == "brightgreen"


def test_failing_badge_says_how_much_and_what_is_met(report_of: Callable[..., Report], finding: Callable[..., Finding]) -> None:
    report = report_of(replacing=[finding("OPS-ART-003", Verdict.FAIL), finding("OPS-ART-004", Verdict.FAIL)])
    assert badge_message(report) == "core, deterministic, idempotent, container · not compliant · 2 not met"
    assert json.loads(shields_badge(report))["isError"] is True


@pytest.mark.parametrize("unreachable", ["refused", "\x1b"])
def test_unreachable_module_is_red(unreachable: str, clean_report: Report) -> None:
    report = replace(clean_report, unreachable=unreachable)
    assert (badge_message(report), colour(report)) == ("not reachable", "red")


def test_strict_badge_counts_warnings(report_of: Callable[..., Report], finding: Callable[..., Finding]) -> None:
    report = report_of(replacing=[finding("OPS-HLT-004", Verdict.WARN)])
    assert json.loads(shields_badge(report, strict=True))["color"] == "red"


def test_picture_says_the_same(report: Report, clean_report: Report) -> None:
    for one in (report, clean_report):
        badge = json.loads(shields_badge(one))
        root = ET.fromstring(svg_badge(one))  # noqa: S314  # our own
        assert root.attrib["aria-label"] == f"{badge['label']}: {badge['message']}"
        assert [item.text for item in root.iter("{http://www.w3.org/2000/svg}text")] == [badge["label"], badge["message"]]


def test_picture_is_green_only_when_clean(report: Report, clean_report: Report) -> None:
    assert "#2e7d32" in svg_badge(clean_report)
    assert "#2e7d32" not in svg_badge(report)
