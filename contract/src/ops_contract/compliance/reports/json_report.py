"""A report as JSON, and back. Its schema is `schemas/compliance-report.schema.json`."""

import json
from base64 import b64decode, b64encode
from dataclasses import asdict, replace
from typing import Any

from ops_contract import ContractError, parse_json, validate
from ops_contract.compliance.redaction import REPORT_BYTES, redacted, shown_body, text_of
from ops_contract.compliance.reports.curl import curl_of
from ops_contract.compliance.reports.report_document import (
    FORMAT,
    BodyDocument,
    ExchangeDocument,
    FindingDocument,
    ReportDocument,
    SubjectDocument,
)
from ops_contract.compliance.requirement import WRITTEN_FIELDS, Requirement
from ops_contract.compliance.result import Exchange, ExitCode, Finding, Report, Subject, Verdict, is_breach


class ReportError(ValueError):
    """A report cannot be read back; the message says where it is wrong."""


def json_report(report: Report) -> str:
    """The redacted report in ASCII, safe to print. Fields keep their order."""
    document = _report_document(redacted(report))
    return json.dumps(document.model_dump(mode="json"), indent=2) + "\n"


def read_report(content: bytes) -> Report:
    """Read the report that `json_report` wrote. Bodies that were not kept whole stay the descriptions of them.

    Raises ReportError, with pointers, for anything else.
    """
    try:
        document = validate(ReportDocument, parse_json(content), "not a compliance report")
    except ContractError as error:
        raise ReportError(str(error)) from error
    return Report(
        subject=_subject(document.subject),
        findings=tuple(_finding(item) for item in document.findings),
        kit_version=document.kit_version,
        contract_version=document.contract_version,
        started_at=document.started_at,
        duration_s=document.duration_s,
        unreachable=document.unreachable,
        covered=tuple(document.covered_by_adapter),
        untested=document.untested_actions,
    )


def _report_document(report: Report) -> ReportDocument:
    code = report.exit_code()
    return ReportDocument(
        format=FORMAT,
        contract_version=report.contract_version,
        kit_version=report.kit_version,
        started_at=report.started_at,
        duration_s=report.duration_s,
        compliant=code is ExitCode.COMPLIANT,
        exit_code=int(code),
        unreachable=_unicode(report.unreachable),
        covered_by_adapter=list(report.covered),
        untested_actions=_unicode(dict(report.untested)),
        counts={verdict.value: count for verdict, count in report.counts.items()},
        subject=SubjectDocument(**_unicode(asdict(report.subject))),
        findings=[_finding_document(finding) for finding in report.findings],
    )


def _finding_document(finding: Finding) -> FindingDocument:
    return FindingDocument(
        **finding.requirement.as_json(),
        verdict=finding.verdict.value,
        breach=is_breach(finding),
        expected=_unicode(finding.expected),
        actual=_unicode(finding.actual),
        exchanges=[_exchange_document(exchange) for exchange in finding.exchanges],
    )


def _exchange_document(exchange: Exchange) -> ExchangeDocument:
    sent = exchange.request_body
    kept = exchange if len(sent) <= REPORT_BYTES else replace(exchange, request_body=shown_body(sent).text.encode())
    return ExchangeDocument(
        method=exchange.method,
        url=_unicode(exchange.url),
        request_headers=_unicode(dict(exchange.request_headers)),
        request_body=_body_document(sent, as_bytes=True),
        status=exchange.status,
        headers=_unicode(dict(exchange.headers)),
        body=_body_document(exchange.body, as_bytes=False),
        error=_unicode(exchange.error),
        seconds=round(exchange.seconds, 6),
        curl=curl_of(kept),
        served_by=exchange.served_by,
    )


def _body_document(content: bytes, *, as_bytes: bool) -> BodyDocument:
    """A body. Binary requests of the kit are kept, so that they can be sent again; binary answers are described."""
    body = shown_body(content)
    if as_bytes and text_of(content) is None and len(content) <= REPORT_BYTES:
        encoded = b64encode(content).decode()
        return BodyDocument(size_bytes=body.size_bytes, sha256=body.sha256, whole=True, text=None, base64=encoded)
    return BodyDocument(size_bytes=body.size_bytes, sha256=body.sha256, whole=body.whole, text=body.text, base64=None)


def _subject(document: SubjectDocument) -> Subject:
    fields = document.model_dump()
    lists = ("contract_versions", "profiles", "actions")
    return Subject(**fields | {name: tuple(fields[name]) for name in lists})


def _finding(document: FindingDocument) -> Finding:
    requirement = Requirement(**{name: getattr(document, name) for name in WRITTEN_FIELDS})
    exchanges = tuple(_exchange(item) for item in document.exchanges)
    return Finding(requirement, Verdict(document.verdict), document.expected, document.actual, exchanges)


def _exchange(document: ExchangeDocument) -> Exchange:
    fields = document.model_dump(exclude={"curl"})
    return Exchange(**fields | {name: _content(getattr(document, name)) for name in ("request_body", "body")})


def _content(body: BodyDocument) -> bytes:
    return (body.text or "").encode() if body.base64 is None else b64decode(body.base64)


def _unicode(value: Any) -> Any:
    """`value` with a question mark for each half of a surrogate pair, which no JSON reader of ours takes."""
    match value:
        case str():
            return value.encode(errors="replace").decode()
        case dict():
            return {_unicode(name): _unicode(item) for name, item in value.items()}
        case tuple() | list():
            return [_unicode(item) for item in value]
        case _:
            return value
