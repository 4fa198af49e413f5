"""The compliance kit: which requirements of the contract a module does not meet, with exchanges and remedies.

    report = asyncio.run(check("http://localhost:8080", select={"OPS-EXE-001", "OPS-ART-003"}))
    for finding in report.findings:
        if is_breach(finding):
            print(finding.requirement.id, finding.expected, finding.actual, finding.requirement.remedy)
    Path("report.html").write_text(html_report(report))

`check` needs the extra `kit`; requirements, results, baselines and reports do not.
"""

from typing import Any

from ops_contract.compliance.reports.badge import shields_badge, svg_badge
from ops_contract.compliance.reports.baseline import Baseline, BaselineError, apply_baseline, read_baseline
from ops_contract.compliance.reports.html import html_report
from ops_contract.compliance.reports.json_report import ReportError, json_report, read_report
from ops_contract.compliance.reports.junit import junit_report
from ops_contract.compliance.reports.markdown import markdown_report
from ops_contract.compliance.requirement import Level, Profile, Requirement, load_requirements
from ops_contract.compliance.result import Exchange, ExitCode, Finding, Report, Subject, Verdict, is_breach

try:
    from ops_contract.compliance.check import check
except ModuleNotFoundError as _error:
    _missing = _error.name

    def __getattr__(name: str) -> Any:
        if name == "check":
            raise ImportError(f"check needs {_missing}; install openpolicystack-contract[kit]", name=_missing)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "Baseline",
    "BaselineError",
    "Exchange",
    "ExitCode",
    "Finding",
    "Level",
    "Profile",
    "Report",
    "ReportError",
    "Requirement",
    "Subject",
    "Verdict",
    "apply_baseline",
    "check",
    "html_report",
    "is_breach",
    "json_report",
    "junit_report",
    "load_requirements",
    "markdown_report",
    "read_baseline",
    "read_report",
    "shields_badge",
    "svg_badge",
]
