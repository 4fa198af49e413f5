"""The answer about a run: the body of `POST /plan_and_execute`, and what `ops run` prints when piped."""

from dataclasses import asdict
from typing import Any

from ops_orchestrator.runs.record import Results, RunRecord


def answer(record: RunRecord, results: Results, artifacts_path: str) -> dict[str, Any]:
    """The seed's fields, and as far as there are any: `warnings` by step, `error`, which run it reproduces, and how.

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
    how = record.reproduction and asdict(record.reproduction)
    found = {"warnings": warnings, "error": record.error, "reproduces": record.reproduces, "reproduction": how}
    return fields | {name: value for name, value in found.items() if value}
