"""A report as JUnit XML: one suite for each profile, one test case for each requirement."""

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Final

from ops_contract.compliance.redaction import harmless, harmless_lines, redacted, shortened
from ops_contract.compliance.reports.plain_text import message_of, plain_text
from ops_contract.compliance.reports.summary import PROFILES, WORDS, subject_lines
from ops_contract.compliance.result import Finding, Report, Verdict, is_breach

_NAME: Final = "OpenPolicyStack"


def junit_report(report: Report, *, strict: bool = False) -> bytes:
    """JUnit XML in UTF-8. Characters that XML cannot hold are written as `<U+0000>`."""
    report = redacted(report)
    suites = [*_unreachable(report), *_suites(report, strict=strict)]
    root = ET.Element("testsuites", name=f"{_NAME} {report.contract_version}", time=f"{report.duration_s:.3f}")
    for counted in ("tests", "failures", "errors"):
        root.set(counted, str(sum(int(suite.get(counted, "0")) for suite in suites)))
    root.extend(suites)
    ET.indent(root)
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _suites(report: Report, *, strict: bool) -> Iterator[ET.Element]:
    for profile in PROFILES:
        findings = [finding for finding in report.findings if finding.requirement.profile == profile]
        if findings:
            cases = [_case(finding, strict=strict, reached=report.unreachable is None) for finding in findings]
            yield _suite(report, f"{_NAME} {profile}", cases)


def _unreachable(report: Report) -> Iterator[ET.Element]:
    """Without this, a module that could not be reached would look as if nothing had failed."""
    if report.unreachable is not None:
        case = ET.Element("testcase", name="the module can be reached", classname=f"{_NAME}.reachable", time="0.000")
        reason = harmless_lines(report.unreachable)
        ET.SubElement(case, "error", type="unreachable", message=shortened(harmless(reason), 300)).text = reason
        yield _suite(report, f"{_NAME} reachable", [case])


def _suite(report: Report, name: str, cases: list[ET.Element]) -> ET.Element:
    suite = ET.Element("testsuite", name=name, tests=str(len(cases)))
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(attribute, str(sum(case.find(tag) is not None for case in cases)))
    suite.set("time", f"{sum(float(case.get('time', '0')) for case in cases):.3f}")
    suite.set("timestamp", harmless(report.started_at.removesuffix("Z").partition(".")[0]))
    suite.append(_properties(subject_lines(report)))
    suite.extend(cases)
    return suite


def _case(finding: Finding, *, strict: bool, reached: bool) -> ET.Element:
    requirement = finding.requirement
    seconds = sum(exchange.seconds for exchange in finding.exchanges)
    case = ET.Element(
        "testcase",
        name=f"{requirement.id} {harmless(requirement.statement)}",
        classname=f"{_NAME}.{requirement.profile}",
        time=f"{seconds:.3f}",
    )
    facts = {"id": requirement.id, "level": requirement.level, "profile": requirement.profile, "spec": requirement.anchor}
    case.append(_properties((*facts.items(), ("verdict", finding.verdict.value))))
    # A module that is not reachable has an error of its own already.
    tag = _tag(finding, strict=strict) if reached else "skipped"
    if tag == "skipped":
        ET.SubElement(case, tag, message=message_of(finding))
    elif tag:
        ET.SubElement(case, tag, type=finding.verdict.value, message=message_of(finding)).text = plain_text(finding)
    elif finding.verdict is not Verdict.PASS:
        ET.SubElement(case, "system-out").text = f"{WORDS[finding.verdict]}\n{plain_text(finding)}"
    return case


def _tag(finding: Finding, *, strict: bool) -> str | None:
    if is_breach(finding, strict=strict):
        return "failure"
    match finding.verdict:
        case Verdict.KIT_ERROR:
            return "error"
        case Verdict.NOT_APPLICABLE | Verdict.NOT_TESTABLE | Verdict.EXPECTED_FAIL:
            return "skipped"
        case _:
            return None


def _properties(pairs: tuple[tuple[str, str], ...]) -> ET.Element:
    properties = ET.Element("properties")
    for name, value in pairs:
        ET.SubElement(properties, "property", name=name, value=harmless(value))
    return properties
