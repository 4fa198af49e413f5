"""The lists of the command line on a terminal: plans, modules, runs and the room that they take."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.text import Text

from ops_orchestrator.cli.display import plain
from ops_orchestrator.cli.fitting_table import FittingTable
from ops_orchestrator.planning.steps import Plan
from ops_orchestrator.runs.run_summary import RunSummary
from ops_orchestrator.runs.store.all_runs import Usage
from ops_orchestrator.runs.verification import Verification
from ops_orchestrator.sizes import bytes_text

_MOST_OLD_RUNS: Final = 20
_MOST_FINDINGS: Final = 20


def plan_table(plan: Plan) -> FittingTable:
    """A plan, one step a line."""
    rows = [(str(step.number), step.id, step.module.name, step.action, step.module.address) for step in plan.steps]
    return plain_table(("", "step", "module", "action", "address"), rows)


def modules_view(modules: list[dict[str, Any]]) -> RenderableType:
    """The registered modules and whether they are ready, and below them the reason of each that is not."""
    rows = [
        (
            module["name"],
            "ready" if module["ready"] else module["code"].lower().removeprefix("module_").replace("_", " "),
            module.get("version"),
            ", ".join(module.get("contract_versions") or []),
            _compliance(module.get("compliance") or {}),
            module["url"],
        )
        for module in modules
    ]
    reasons = [plain(f"✗ {module['reason']}", "red") for module in modules if not module["ready"]]
    return Group(plain_table(("module", "state", "version", "contract", "last check", "address"), rows), *reasons)


def _compliance(compliance: dict[str, Any]) -> str | None:
    """What the last compliance check found; None of a service that does not say."""
    return f"stale: {compliance['state']}" if compliance.get("stale") else compliance.get("state")


def runs_table(runs: list[dict[str, Any]]) -> FittingTable:
    """Runs, one a line, newest first; of a run that is damaged, the reason stands in place of the scenario."""
    rows = [
        (
            run["run_id"],
            run["status"],
            run.get("warnings") or None,
            (run["fingerprints"]["result"] or "")[:8],
            "synthetic" if run.get("synthetic") else None,
            _labels(run.get("labels") or {}),
            run.get("reason") or run["scenario_id"],
        )
        for run in runs
    ]
    return plain_table(("run", "status", "warnings", "result", "data", "labels", "scenario"), rows)


def old_runs_view(runs: Sequence[RunSummary]) -> RenderableType:
    """The first of `runs`, one a line, and how many more there are."""
    rows = [(run.run_id, run.status, run.started_at, _labels(run.labels)) for run in runs[:_MOST_OLD_RUNS]]
    more = [plain(f"and {len(runs) - len(rows):,} more; --json shows all", "dim")] if len(runs) > len(rows) else []
    return Group(plain_table(("run", "status", "started", "labels"), rows), *more)


def usage_view(usage: Usage) -> RenderableType:
    """How much room runs take, by status."""
    rooms = [*sorted(usage.by_status.items()), ("all", usage.total)]
    rows = [(status, f"{room.runs:,}", bytes_text(room.bytes)) for status, room in rooms]
    times = [plain(f"{name:<8}{at}", "dim") for name, at in (("oldest", usage.oldest), ("newest", usage.newest)) if at]
    return Group(plain_table(("status", "runs", "size"), rows), *times)


def verification_view(verification: Verification) -> RenderableType:
    """Whether a run is intact, and what was found if it is not."""
    count = len(verification.findings) + verification.left_out
    signature = _signature(verification)
    if verification.is_intact:
        sentence = f"is intact: {verification.files:,} files, {verification.events:,} events, {signature}"
    else:
        sentence = f"is not intact: {count:,} finding{'s' * (count != 1)}, {signature}"
    mark = plain("✓ ", "green") if verification.is_intact else plain("✗ ", "red")
    rows = [(finding.file, finding.expected, finding.found) for finding in verification.findings[:_MOST_FINDINGS]]
    more = [plain(f"and {count - len(rows):,} more; --json shows up to 1,000", "dim")] if count > len(rows) else []
    return Group(
        Text.assemble(mark, plain(f"{verification.run_id} {sentence}")),
        *([plain_table(("file", "expected", "found"), rows)] if rows else []),
        *more,
        *(plain(f"  {note}", "dim") for note in verification.notes[:_MOST_FINDINGS]),
    )


def _signature(verification: Verification) -> str:
    key = verification.signed_by
    if key is None:
        return "not signed"
    trusted = "whom you trust" if verification.is_trusted else "which nobody vouched for; pass --trust KEY"
    return f"signed by {key.fingerprint}, {trusted}"


def _labels(labels: Mapping[str, str]) -> str | None:
    return ", ".join(f"{key}={value}" for key, value in labels.items()) or None


def plain_table(columns: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> FittingTable:
    """A table of `rows`; a cell of None is empty, and a column of nothing else is left out."""
    used = [at for at, _ in enumerate(columns) if not rows or any(row[at] is not None for row in rows)]
    cells = tuple(tuple(plain("" if row[at] is None else str(row[at])) for at in used) for row in rows)
    return FittingTable(tuple(columns[at] for at in used), cells)
