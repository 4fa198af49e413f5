"""The one check of the module in a session: made when its first result is asked for, of what was selected and no more."""

import asyncio
from collections.abc import Collection, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ops_contract.compliance.check import check
from ops_contract.compliance.reports.baseline import Baseline, apply_baseline
from ops_contract.compliance.reports.redaction import redacted
from ops_contract.compliance.result import Finding, Report


@dataclass
class ModuleCheck:
    """What is to be checked, and the report once it is there."""

    url: str
    inputs: Mapping[str, Any] | None
    baseline: Baseline | None = None
    strict: bool = False
    # The ids that are left when pytest has applied -k, -m and its other ways to choose.
    chosen: Collection[str] = field(default_factory=set)
    findings: Mapping[str, Finding] | None = None
    trouble: str | None = None
    told: bool = False

    def finding(self, requirement: str) -> Finding | None:
        """What came of a requirement; None when `trouble` says why nothing did."""
        if self.findings is None and self.trouble is None:
            self._make()
        return (self.findings or {}).get(requirement)

    def _make(self) -> None:
        try:
            report = _run(check(self.url, inputs=self.inputs, select=self.chosen))
        except Exception as error:  # noqa: BLE001  # an edge: a bug of the kit is no fault of fifty requirements
            self.trouble = f"this is a bug of the kit, please report it: {error!r}"
            return
        self._keep(redacted(apply_baseline(report, self.baseline) if self.baseline else report))

    def _keep(self, report: Report) -> None:
        if report.unreachable is not None:
            url = report.subject.url
            self.trouble = f"the module at {url} cannot be reached: {report.unreachable}\ntry: ops-contract doctor {url}"
            return
        self.findings = {finding.requirement.id: finding for finding in report.findings}


def _run(checking: Coroutine[Any, Any, Report]) -> Report:
    """In a thread of its own: in this one, a fixture of somebody's browser or client may have a loop that is running."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, checking).result()
