"""Run records for tests of what keeps and lists them."""

from typing import Any

from ops_orchestrator.runs.record import Results, RunRecord

RUN_ID = "run_2026-01-09T12-34-56Z_ab12cd"


def record(number: int, scenario_id: str = "demo", status: str = "completed") -> RunRecord:
    """The record of run `number`, the higher the later."""
    return RunRecord.model_validate(
        {
            "run_id": f"run_{number}",
            "status": status,
            "request": {"scenario_id": scenario_id, "modules": ["alpha"], "inputs": {}, "run_options": {}},
            "plan": [],
            "started_at": f"2026-01-09T12:{number // 60:02}:{number % 60:02}.000Z",
            "versions": {},
            "steps": [],
        }
    )


def results(**outputs: Any) -> Results:
    """The results of the run RUN_ID: `outputs` by step."""
    return Results(
        run_id=RUN_ID, scenario_id="demo", results={step: {"found": found, "artifacts": []} for step, found in outputs.items()}
    )
