import json
from typing import Any

import pytest

from ops_contract.compliance.reports.sarif import sarif_report
from ops_contract.compliance.result import Report


def run_of(report: Report, **options: Any) -> Any:
    document = json.loads(sarif_report(report, location="Dockerfile", **options))
    assert document["version"] == "2.1.0"
    (run,) = document["runs"]
    return run


def test_failures_are_errors_and_the_rest_warnings_each_of_a_rule_that_is_described(report: Report) -> None:
    run = run_of(report)
    levels = {one["ruleId"]: one["level"] for one in run["results"]}
    assert levels["OPS-EXE-001"] == levels["OPS-ERR-003"] == "error"
    assert levels["OPS-EXE-007"] == levels["OPS-ART-002"] == "warning"
    assert "OPS-HLT-001" not in levels
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == [one["ruleId"] for one in run["results"]]
    assert all(rule["help"]["text"] for rule in run["tool"]["driver"]["rules"])


def test_warnings_are_errors_when_they_count_as_failures(report: Report) -> None:
    strict = {one["ruleId"]: one["level"] for one in run_of(report, strict=True)["results"]}
    assert strict["OPS-EXE-007"] == "error"


def test_finding_is_shown_at_the_given_file_and_keeps_its_identity(report: Report) -> None:
    first = run_of(report)["results"][0]
    (location,) = first["locations"]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == "Dockerfile"
    assert first["partialFingerprints"] == {"requirement/v1": first["ruleId"]}


def test_module_that_meets_everything_has_no_result(clean_report: Report) -> None:
    run = run_of(clean_report)
    assert (run["results"], run["invocations"]) == ([], [{"executionSuccessful": True}])


def test_module_that_cannot_be_reached_is_no_success(report_of: Any) -> None:
    (invocation,) = run_of(report_of((), unreachable="connection refused"))["invocations"]
    assert not invocation["executionSuccessful"]
    assert "connection refused" in invocation["toolExecutionNotifications"][0]["message"]["text"]


@pytest.mark.parametrize("unwanted", ["\x1b", "\u202e", "\0"])
def test_what_a_module_said_is_harmless_and_holds_no_secret(report: Report, secret: str, unwanted: str) -> None:
    text = sarif_report(report, location="Dockerfile")
    assert secret not in text
    assert unwanted not in json.loads(text)["runs"][0]["results"][0]["message"]["text"]
