"""monitor: what the earlier steps of a run answered, and what in it deserves attention.

inputs    none of its own; it reads `upstream` and takes any
outputs   verdict (nothing to watch, clean, attention), totals, steps, findings
artifacts status.md (in the answer)

A step is reported when it has no evidence, when evidence points at nothing, when its figures are synthetic, or when its
outputs are empty or hold a number that cannot be carried unchanged.
"""

from collections.abc import Iterator
from typing import Any, Final

from ops_contract import Evidence, ExecuteRequest, NumberError, UpstreamStep, fingerprint, join_pointer, resolve_pointer
from ops_stubs.markdown import plain, table
from ops_stubs.module import File, Result, Stub

__all__ = ["STUB", "execute"]


def execute(request: ExecuteRequest) -> Result:
    """Sum up the steps in `upstream`; without any it says so and succeeds."""
    steps = [_step(step_id, step) for step_id, step in request.upstream.items()]
    findings = [finding for step_id, step in request.upstream.items() for finding in _findings(step_id, step)]
    attention = any(finding["severity"] == "warning" for finding in findings)
    outputs = {
        "verdict": "nothing to watch" if not steps else "attention" if attention else "clean",
        "totals": _totals(steps),
        "steps": steps,
        "findings": findings,
    }
    page = File("status.md", "text/markdown", _page(outputs).encode())
    warnings = () if steps else ("no earlier step came with the request, so there is nothing to watch",)
    return Result(outputs, artifacts=(page,), evidence=(_evidence(),), warnings=warnings)


def _step(step_id: str, step: UpstreamStep) -> dict[str, Any]:
    return {
        "step": step_id,
        "module": step.module,
        "outputs": len(step.outputs),
        "outputs_sha256": _fingerprint(step),
        "artifacts": len(step.artifacts),
        "artifact_bytes": sum(artifact.size_bytes for artifact in step.artifacts),
        "evidence": len(step.evidence),
        "synthetic_evidence": sum(evidence.synthetic is True for evidence in step.evidence),
    }


def _fingerprint(step: UpstreamStep) -> str | None:
    try:
        return fingerprint(step.outputs)
    except NumberError:
        return None


def _totals(steps: list[dict[str, Any]]) -> dict[str, Any]:
    counted = ("artifacts", "artifact_bytes", "evidence", "synthetic_evidence")
    totals: dict[str, Any] = {"steps": len(steps), **{name: sum(step[name] for step in steps) for name in counted}}
    share = totals["synthetic_evidence"] / totals["evidence"] if totals["evidence"] else 0.0
    return {**totals, "synthetic_share": round(share, 4)}


def _findings(step_id: str, step: UpstreamStep) -> Iterator[dict[str, str]]:
    def finding(severity: str, message: str) -> dict[str, str]:
        return {"step": step_id, "severity": severity, "message": message}

    if not step.outputs:
        yield finding("warning", "the outputs are empty")
    if _fingerprint(step) is None:
        yield finding("warning", "the outputs hold a number that JSON cannot carry unchanged")
    if not step.evidence:
        yield finding("warning", "no evidence supports the outputs")
    for number, evidence in enumerate(step.evidence):
        for target in _unresolved(step, evidence):
            where = join_pointer("/evidence", number)
            yield finding("warning", f"the evidence at {where} supports {target}, which is not in the outputs")
    if any(evidence.synthetic for evidence in step.evidence):
        yield finding("info", "rests on synthetic evidence")


def _unresolved(step: UpstreamStep, evidence: Evidence) -> Iterator[str]:
    for target in evidence.supports:
        try:
            resolve_pointer(step.outputs, target)
        except LookupError:
            yield target


def _page(outputs: dict[str, Any]) -> str:
    head = f"# Status of the run\n\nVerdict: **{outputs['verdict']}**\n\n"
    if not outputs["steps"]:
        return f"{head}No earlier step came with the request. Put `monitor` after the steps that it should look at.\n"
    columns = ("Step", "Module", "Artifacts", "Evidence", "of it synthetic")
    rows = [(s["step"], s["module"], s["artifacts"], s["evidence"], s["synthetic_evidence"]) for s in outputs["steps"]]
    findings = [f"- {found['severity']}, {plain(found['step'])}: {plain(found['message'])}" for found in outputs["findings"]]
    return f"{head}{table(columns, rows, numbers_from=2)}\n## Findings\n\n" + "\n".join(findings or ["- none"]) + "\n"


def _evidence() -> Evidence:
    return Evidence(
        id="count",
        kind="computation",
        title="Count over the earlier steps of the run; the stub's steps are synthetic",
        supports=("/totals", "/verdict"),
        artifact="status.md",
        synthetic=True,
    )


STUB: Final = Stub(
    name="monitor",
    summary="What the earlier steps of a run left behind, and what deserves attention",
    actions={"execute": execute},
)
"""The stand-in for the monitor."""
