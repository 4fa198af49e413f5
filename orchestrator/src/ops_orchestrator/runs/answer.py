"""The answer about a run: the body of `POST /plan_and_execute`, and what `ops run` prints when piped."""

from typing import Any

from ops_orchestrator.runs.record import Results, RunRecord


def answer(record: RunRecord, results: Results, artifacts_path: str) -> dict[str, Any]:
    """The seed's fields, `warnings` by step when a module gave one, `error` when the run did not complete.

    `artifacts_path` is the run's folder, with a slash at its end.
    """
    warnings = {step.id: list(step.warnings) for step in record.steps if step.warnings}
    fields = {
        "run_id": record.run_id,
        "status": record.status,
        "plan": record.plan,
        "results": results.results,
        "artifacts_path": artifacts_path,
        "logs_path": f"{artifacts_path}{record.logs}",
    }
    return fields | ({"warnings": warnings} if warnings else {}) | ({"error": record.error} if record.error else {})
