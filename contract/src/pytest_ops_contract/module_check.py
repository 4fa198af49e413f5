"""The one check of the module in a session, made when the first result is needed, of the selected requirements only."""

import asyncio
from collections.abc import Collection, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ops_contract.compliance.check import check
from ops_contract.compliance.orchestrator import refuse_orchestrator
from ops_contract.compliance.redaction import redacted
from ops_contract.compliance.reports.baseline import Baseline, apply_baseline
from ops_contract.compliance.result import Finding, Report
from ops_contract.compliance.targets.errors import TargetError


@dataclass
class ModuleCheck:
    """The arguments of the check, and its findings once it was made; `trouble` says why there are none."""

    url: str
    inputs: Mapping[str, Any] | None
    baseline: Baseline | None = None
    strict: bool = False
    upstream: Mapping[str, Any] | None = None
    timeout_s: float | None = None
    # The ids that are left after -k, -m and the other selections of pytest.
    chosen: Collection[str] = field(default_factory=set)
    findings: Mapping[str, Finding] | None = None
    trouble: str | None = None
    is_trouble_reported: bool = False

    def finding(self, requirement: str) -> Finding | None:
        """The finding on a requirement; None when `trouble` says why there is none."""
        if self.findings is None and self.trouble is None:
            self._make()
        return (self.findings or {}).get(requirement)

    def _make(self) -> None:
        try:
            report = _run(self._checked())
        except TargetError as error:
            self.trouble = str(error).replace("--timeout", "--ops-timeout")
            return
        except Exception as error:  # noqa: BLE001  # a bug of the kit must not fail fifty requirements
            self.trouble = f"this is a bug of the kit, please report it: {error!r}"
            return
        self._keep(redacted(apply_baseline(report, self.baseline) if self.baseline else report))

    async def _checked(self) -> Report:
        await refuse_orchestrator(self.url, "pytest --ops-module")
        return await check(self.url, inputs=self.inputs, upstream=self.upstream, select=self.chosen, timeout_s=self.timeout_s)

    def _keep(self, report: Report) -> None:
        if report.unreachable is not None:
            url = report.subject.url
            self.trouble = f"the module at {url} cannot be reached: {report.unreachable}\ntry: ops-contract doctor {url}"
            return
        self.findings = {finding.requirement.id: finding for finding in report.findings}


def _run(checking: Coroutine[Any, Any, Report]) -> Report:
    """Run it in another thread: in this one, a fixture may have an event loop that is running."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, checking).result()
