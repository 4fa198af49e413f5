"""A report as annotations of GitHub Actions: lines that its runner shows at the job, whatever else is printed."""

from ops_contract.compliance.redaction import harmless, redacted
from ops_contract.compliance.reports.plain_text import message_of
from ops_contract.compliance.reports.summary import failures, name_of, remedy_of, warnings
from ops_contract.compliance.result import Finding, Report


def github_annotations(report: Report, *, strict: bool = False) -> str:
    """One workflow command a line, `::error title=...::...` or `::warning ...`; nothing for a module without findings."""
    report = redacted(report)
    if report.unreachable is not None:
        return _command("error", name_of(report), f"The module could not be tested: {report.unreachable}")
    kinds = (("error", failures(report, strict=strict)), ("warning", warnings(report, strict=strict)))
    return "".join(
        _command(kind, f"{name_of(report)}: {one.requirement.id}", _told(one)) for kind, found in kinds for one in found
    )


def _told(finding: Finding) -> str:
    return f"{finding.requirement.statement}\n{message_of(finding)}\n{remedy_of(finding)}"


def _command(kind: str, title: str, message: str) -> str:
    text = "\n".join(harmless(line) for line in message.splitlines())
    return f"::{kind} title={_property(harmless(title))}::{_data(text)}\n"


def _data(text: str) -> str:
    """What a runner decodes again: a text of a module can neither end the line nor begin another command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
