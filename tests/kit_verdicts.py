"""Verdicts of the compliance kit as tests write them."""

from pathlib import Path
from typing import Any

from ops_orchestrator.modules.module import Module
from ops_orchestrator.runs.store.verdicts import VerdictStore
from ops_orchestrator.runs.verdict import KitReport, Verdict


def kit_report(module: str = "alpha", version: str = "1.2.3", **fields: Any) -> KitReport:
    """A good report of the kit, as far as a verdict is made of it."""
    report = {
        "contract_version": "1.0",
        "kit_version": "0.1.0",
        "started_at": "2026-01-09T12:34:56.789Z",
        "compliant": True,
        "subject": {"module": module, "version": version},
        "counts": {"pass": 47, "fail": 0, "warn": 0, "not_testable": 0},
        "findings": [],
    }
    return KitReport.model_validate(report | fields)


def finding(**fields: Any) -> dict[str, Any]:
    """A requirement that is not met."""
    unmet = {
        "id": "OPS-ART-003",
        "level": "MUST",
        "verdict": "fail",
        "breach": True,
        "statement": "the digest is that of the bytes",
        "expected": "the digest of 5 bytes",
        "actual": "another digest",
        "remedy": "Hash what you send.",
    }
    return unmet | fields


def keep(runs: Path, report: KitReport, module: str = "alpha", html: bytes = b"<p>whole", **entry: Any) -> Verdict:
    """Keep the verdict in `report` with the runs, as it is when the module's entry of modules.yaml says `entry`."""
    verdict = Verdict.of(report, Module(name=module, url=f"http://{module}.test", **entry))
    VerdictStore(runs).keep(verdict, html)
    return verdict
