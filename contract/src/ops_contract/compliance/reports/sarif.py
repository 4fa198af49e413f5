"""A report as SARIF 2.1.0 (OASIS), which code hosts show among the findings of other tools."""

import json
from typing import Any, Final, Literal

from ops_contract.compliance.redaction import harmless, harmless_lines, redacted
from ops_contract.compliance.reports.plain_text import message_of, plain_text
from ops_contract.compliance.reports.summary import failures, name_of, remedy_of, warnings
from ops_contract.compliance.requirement import Requirement
from ops_contract.compliance.result import Finding, Report

SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"

_Level = Literal["error", "warning"]


def sarif_report(report: Report, *, location: str, strict: bool = False) -> str:
    """SARIF in JSON: failures as errors, all else that is worth knowing as warnings.

    A finding is about a service and has no line of code: it is shown at the file `location` of the repository. That the module
    could not be reached is a notification of an invocation that did not succeed.
    """
    report = redacted(report)
    levels: list[tuple[_Level, Finding]] = [("error", one) for one in failures(report, strict=strict)]
    levels += [("warning", one) for one in warnings(report, strict=strict)]
    run = {
        "tool": {
            "driver": {
                "name": "ops-contract",
                "version": harmless(report.kit_version),
                "rules": [_rule(finding.requirement) for _, finding in levels],
            }
        },
        "invocations": [_invocation(report)],
        "results": [_result(level, finding, location, report) for level, finding in levels],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _rule(requirement: Requirement) -> dict[str, Any]:
    return {
        "id": requirement.id,
        "shortDescription": {"text": requirement.statement},
        "fullDescription": {"text": requirement.why},
        "help": {"text": f"{requirement.remedy}\nSpecification: {requirement.anchor}"},
        "properties": {"tags": [requirement.level, requirement.profile]},
    }


def _invocation(report: Report) -> dict[str, Any]:
    if report.unreachable is None:
        return {"executionSuccessful": True}
    notification = {"level": "error", "message": {"text": harmless_lines(report.unreachable)}}
    return {"executionSuccessful": False, "toolExecutionNotifications": [notification]}


def _result(level: _Level, finding: Finding, location: str, report: Report) -> dict[str, Any]:
    name = name_of(report)
    return {
        "ruleId": finding.requirement.id,
        "level": level,
        "message": {"text": f"{name}: {message_of(finding)}\n{remedy_of(finding)}"},
        "locations": [
            {
                "physicalLocation": {"artifactLocation": {"uri": location}, "region": {"startLine": 1}},
                "logicalLocations": [{"name": name, "kind": "module"}],
            }
        ],
        # The same finding is the same alert in the next run, whatever the module answers.
        "partialFingerprints": {"requirement/v1": finding.requirement.id},
        "properties": {"verdict": finding.verdict.value, "details": plain_text(finding)},
    }
