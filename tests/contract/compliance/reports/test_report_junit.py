import xml.etree.ElementTree as ET
from collections.abc import Callable

import pytest
import xmlschema
from local_service import ROOT

from ops_contract.compliance.reports.junit import junit_report
from ops_contract.compliance.result import Finding, Report, Verdict


@pytest.fixture(scope="module")
def schema() -> xmlschema.XMLSchema10:
    return xmlschema.XMLSchema10((ROOT / "contract/schemas/compliance-junit.xsd").read_text())


def parsed(report: Report, *, strict: bool = False) -> ET.Element:
    return ET.fromstring(junit_report(report, strict=strict))  # noqa: S314  # our own


def case(root: ET.Element, identifier: str) -> ET.Element:
    return next(item for item in root.iter("testcase") if item.attrib["name"].startswith(identifier))


def outcome(root: ET.Element, identifier: str) -> str:
    tags = [child.tag for child in case(root, identifier) if child.tag not in ("properties", "system-out")]
    return tags[0] if tags else "passed"


@pytest.mark.parametrize("strict", [False, True])
def test_report_follows_its_schema(report: Report, clean_report: Report, strict: bool, schema: xmlschema.XMLSchema10) -> None:
    schema.validate(junit_report(report, strict=strict).decode())
    schema.validate(junit_report(clean_report, strict=strict).decode())


def test_report_of_one_verdict_follows_its_schema(report_of_one_verdict: Report, schema: xmlschema.XMLSchema10) -> None:
    schema.validate(junit_report(report_of_one_verdict).decode())


def test_unreachable_and_empty_reports_follow_the_schema(
    report_of: Callable[..., Report], schema: xmlschema.XMLSchema10
) -> None:
    schema.validate(junit_report(report_of(unreachable="refused")).decode())
    schema.validate(junit_report(report_of()).decode())


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ('tests="', 'test="'),
        ('classname="', 'class="'),
        ("<skipped ", "<ignored "),
        ("</failure>", '</failure><skipped message="x" />'),
        ('type="fail"', 'type="broken"'),
        ('time="0.', 'time="-0.'),
        ('timestamp="2026', 'timestamp="today'),
        ('<property name="id" ', "<property "),
    ],
)
def test_schema_refuses_what_is_not_in_the_form(
    written: str, instead: str, report: Report, schema: xmlschema.XMLSchema10
) -> None:
    document = junit_report(report).decode()
    assert written in document
    assert not schema.is_valid(document.replace(written, instead, 1))


def test_every_profile_is_a_suite_and_every_id_a_case(report: Report) -> None:
    root = parsed(report)
    assert [suite.attrib["name"] for suite in root] == [
        "OpenPolicyStack core",
        "OpenPolicyStack artifacts",
        "OpenPolicyStack deterministic",
    ]
    assert len(list(root.iter("testcase"))) == len(report.findings)


def test_counts_are_those_of_the_cases(report: Report) -> None:
    root = parsed(report)
    for counted, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error")):
        assert int(root.attrib[counted]) == len(list(root.iter(tag)))
    assert sum(int(suite.attrib["skipped"]) for suite in root) == len(list(root.iter("skipped")))


@pytest.mark.parametrize(
    ("identifier", "expected"),
    [
        ("OPS-HLT-001", "passed"),
        ("OPS-EXE-001", "failure"),
        ("OPS-EXE-007", "passed"),
        ("OPS-EXE-003", "failure"),
        ("OPS-HLT-004", "skipped"),
        ("OPS-ART-002", "skipped"),
        ("OPS-ART-003", "failure"),
        ("OPS-DET-001", "skipped"),
        ("OPS-ERR-003", "error"),
    ],
)
def test_verdict_becomes_an_outcome(identifier: str, expected: str, report: Report) -> None:
    assert outcome(parsed(report), identifier) == expected


def test_strict_makes_a_warning_a_failure(report: Report) -> None:
    assert outcome(parsed(report, strict=True), "OPS-EXE-007") == "failure"


def test_warning_is_told_in_the_output(report: Report) -> None:
    assert "warning" in (case(parsed(report), "OPS-EXE-007").findtext("system-out") or "")


def test_case_says_which_requirement_it_is(report: Report) -> None:
    properties = {item.attrib["name"]: item.attrib["value"] for item in case(parsed(report), "OPS-EXE-001").iter("property")}
    assert properties == {
        "id": "OPS-EXE-001",
        "level": "MUST",
        "profile": "core",
        "spec": "contract/SPEC.md#ops-exe-001",
        "verdict": "fail",
    }


def test_failure_holds_proof_and_remedy(report: Report) -> None:
    text = case(parsed(report), "OPS-EXE-001").findtext("failure") or ""
    for expected in ("expected: an envelope", "actual: [bold]x", "remedy: ", "curl -sS", "spec: contract/SPEC.md#ops-exe-001"):
        assert expected in text


def test_what_xml_cannot_hold_is_replaced_and_secrets_are_masked(report: Report, secret: str) -> None:
    document = junit_report(report).decode()
    assert document.replace("\n", "").isprintable()
    assert "&lt;U+001B&gt;" in document
    assert secret not in document


def test_unreachable_module_is_one_error(report_of: Callable[..., Report], finding: Callable[..., Finding]) -> None:
    root = parsed(report_of([finding("OPS-EXE-001", Verdict.NOT_TESTABLE)], unreachable="refused"))
    assert (root.attrib["errors"], root.attrib["failures"]) == ("1", "0")
    assert root.findtext("testsuite/testcase/error") == "refused"
    assert outcome(root, "OPS-EXE-001") == "skipped"


def test_clean_report_has_no_failures(clean_report: Report) -> None:
    root = parsed(clean_report)
    assert (root.attrib["failures"], root.attrib["errors"]) == ("0", "0")
    assert root.attrib["tests"] == str(len(clean_report.findings))


def test_time_of_a_case_is_that_of_its_exchanges(
    report_of: Callable[..., Report], finding: Callable[..., Finding], report: Report
) -> None:
    sent = report.findings[1].exchanges[:2]
    root = parsed(report_of([finding("OPS-EXE-001", Verdict.PASS, exchanges=sent)]))
    assert case(root, "OPS-EXE-001").attrib["time"] == "0.500"
