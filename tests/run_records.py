"""Run records for tests of what keeps and lists them."""

from contextlib import closing
from pathlib import Path
from typing import Any

from ops_orchestrator.runs.record import RECORD, Results, RunRecord
from ops_orchestrator.runs.store.folder import FolderStore

RUN_ID = "run_2026-01-09T12-34-56Z_ab12cd"
GOOD = "run_2026-01-09T12-34-57Z_000000"


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


def make_folders(store: Path, count: int) -> list[str]:
    """Make so many folders of completed runs in `store`, which no index knows; returns the run ids, newest first."""
    text = record(1).model_dump_json()
    run_ids = [f"run_2026-01-09T12-{number // 60:02}-{number % 60:02}Z_{number:06x}" for number in range(count)]
    for run_id in run_ids:
        (store / run_id).mkdir(parents=True)
        (store / run_id / RECORD).write_text(text.replace('"run_1"', f'"{run_id}"'))
    return run_ids[::-1]


def store_two_runs(folder: Path) -> None:
    """Keep the runs RUN_ID and GOOD, both completed, in the store `folder`."""
    with closing(FolderStore.open(folder)) as store:
        for run_id in (RUN_ID, GOOD):
            made = record(1, status="running").model_copy(update={"run_id": run_id})
            with closing(store.create(b"{}\n", made, results().model_copy(update={"run_id": run_id}))) as writer:
                writer.seal(b"{}\n", made.model_copy(update={"status": "completed"}))
