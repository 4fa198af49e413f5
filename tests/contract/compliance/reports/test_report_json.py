import json
from collections.abc import Callable
from typing import Any

import jsonschema_rs
import pytest

from ops_contract.compliance.redaction import redacted
from ops_contract.compliance.reports.json_report import ReportError, json_report, read_report
from ops_contract.compliance.result import Exchange, Finding, Report, Verdict
from ops_contract.schemas import documents


@pytest.fixture(scope="module")
def schema() -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(documents()["compliance-report.schema.json"])


def test_report_follows_its_schema(report: Report, clean_report: Report, schema: jsonschema_rs.Draft202012Validator) -> None:
    schema.validate(json.loads(json_report(report)))
    schema.validate(json.loads(json_report(clean_report)))


def test_unreachable_and_empty_reports_follow_the_schema(
    report_of: Callable[..., Report], schema: jsonschema_rs.Draft202012Validator
) -> None:
    schema.validate(json.loads(json_report(report_of(unreachable="refused"))))
    schema.validate(json.loads(json_report(report_of())))


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("findings/1/verdict", "fine"),
        ("findings/1/id", "OPS-1"),
        ("findings/1/level", "MAY"),
        ("findings/1/exchanges/0/request_body/sha256", "abc"),
        ("findings/1/exchanges/0/status", "200"),
        ("findings/1/exchanges/0/seconds", -1),
        ("counts/fine", 1),
        ("duration_s", None),
        ("format", "openpolicystack-compliance-report/2"),
    ],
)
def test_schema_refuses_another_value(
    pointer: str, value: object, report: Report, schema: jsonschema_rs.Draft202012Validator
) -> None:
    document = json.loads(json_report(report))
    *way, last = (int(part) if part.isdigit() else part for part in pointer.split("/"))
    holder = document
    for part in way:
        holder = holder[part]
    holder[last] = value
    assert not schema.is_valid(document)


@pytest.mark.parametrize("name", ["subject", "findings", "counts", "exit_code", "unreachable", "kit_version"])
def test_schema_refuses_a_missing_field(name: str, clean_report: Report, schema: jsonschema_rs.Draft202012Validator) -> None:
    document = json.loads(json_report(clean_report))
    del document[name]
    assert not schema.is_valid(document)


def test_schema_is_no_part_of_what_a_module_serves() -> None:
    assert "ReportDocument" not in json.dumps(documents()["openapi.json"])


def test_clean_report_comes_back_unchanged(clean_report: Report) -> None:
    assert read_report(json_report(clean_report).encode()) == clean_report


def test_small_exchange_comes_back_as_it_was(
    report_of: Callable[..., Report], finding: Callable[..., Finding], exchange: Callable[..., Exchange]
) -> None:
    sent = exchange(request_body=b"\xff\x00", body=b'{"a": "\\u0000 \x1b"}', error="cut off")
    report = report_of([finding("OPS-EXE-001", Verdict.FAIL, "this", "that", [sent])])
    assert read_report(json_report(report).encode()) == report


def test_report_that_was_read_is_written_the_same(report: Report) -> None:
    written = json_report(report)
    assert json_report(read_report(written.encode())) == written


def test_report_is_ascii_without_secrets(report: Report, secret: str) -> None:
    written = json_report(report)
    assert written.replace("\n", "").isprintable()
    assert written.isascii()
    assert secret not in written


def test_reading_keeps_the_verdicts(report: Report) -> None:
    read = read_report(json_report(report).encode())
    assert [finding.verdict for finding in read.findings] == [finding.verdict for finding in report.findings]
    assert read.exit_code() == report.exit_code()
    assert read.subject.url == redacted(report).subject.url


def test_long_and_binary_bodies_are_described(report: Report) -> None:
    exchanges = json.loads(json_report(report))["findings"][1]["exchanges"]
    assert exchanges[1]["request_body"]["base64"] == "/wB7"
    assert exchanges[1]["body"]["text"].startswith("[binary: 256 bytes in all")
    assert (exchanges[2]["body"]["size_bytes"], exchanges[2]["body"]["whole"]) == (300_000, False)
    assert exchanges[2]["curl"].startswith("# a request body of 200000 bytes")


def test_summary_agrees_with_the_findings(report: Report, clean_report: Report) -> None:
    document = json.loads(json_report(report))
    assert (document["compliant"], document["exit_code"]) == (False, 4)
    assert sum(document["counts"].values()) == len(document["findings"])
    assert json.loads(json_report(clean_report))["compliant"] is True


def test_unreachable_is_not_compliant(report_of: Callable[..., Report]) -> None:
    document = json.loads(json_report(report_of(unreachable="refused")))
    assert (document["compliant"], document["exit_code"], document["unreachable"]) == (False, 3, "refused")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"format": "another/1"}, "/format"),
        ({"findings": [{}]}, "/findings/0/id"),
        ({"duration_s": -1.0}, "/duration_s"),
        ({"subject": None}, "/subject"),
    ],
)
def test_something_else_is_refused_with_a_pointer(change: dict[str, Any], pointer: str, clean_report: Report) -> None:
    document = json.dumps({**json.loads(json_report(clean_report)), **change}).encode()
    with pytest.raises(ReportError, match=f"not a compliance report: {pointer}: "):
        read_report(document)


def test_torn_file_is_refused(clean_report: Report) -> None:
    with pytest.raises(ReportError, match="at line"):
        read_report(json_report(clean_report).encode()[:-10])


def test_broken_base64_is_refused(
    report_of: Callable[..., Report], finding: Callable[..., Finding], exchange: Callable[..., Exchange]
) -> None:
    report = report_of([finding("OPS-EXE-001", Verdict.FAIL, exchanges=[exchange(request_body=b"\xff")])])
    with pytest.raises(ReportError, match="/findings/0/exchanges/0/request_body/base64"):
        read_report(json_report(report).replace('"/w=="', '"/w="').encode())
