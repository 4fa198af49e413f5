"""The notebook cell of a run, executed as it is printed."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import recorded_run
from served_app import served
from starlette.responses import FileResponse

from ops_orchestrator.runs.reports.notebook_cell import notebook_cell
from ops_orchestrator.runs.store.folder_run import FolderRun

pytest.importorskip("pandas")


def cell_of(folder: Path) -> str:
    return notebook_cell(FolderRun(folder.parent, folder.name))


def executed(cell: str) -> dict[str, Any]:
    """The names that the cell leaves."""
    names: dict[str, Any] = {}
    exec(cell, names)  # noqa: S102  # what a notebook does
    return names


def test_cell_makes_tables_of_figures_series_and_artifacts(example_run: Path) -> None:
    names = executed(cell_of(example_run))
    outputs = recorded_run.document(example_run, "results.json")["steps"]["policy-simulator"]["outputs"]
    row = names["figures"].set_index("key").loc["gdp_growth"]
    assert (row["value"], row["change"], row["step"]) == (
        outputs["kpis"]["gdp_growth"],
        outputs["change"]["gdp_growth"],
        "policy-simulator",
    )
    assert list(names["series"]["scenario.gini"]) == [point["scenario"]["gini"] for point in outputs["path"]]
    assert (example_run / names["artifacts"].set_index("name").loc["plot.png"]["path"]).is_file()


async def test_cell_reads_from_a_service_as_well(example_run: Path) -> None:
    async with served(FileResponse(example_run / "results.json")) as address:
        cell = cell_of(example_run).replace(
            ascii(str(example_run / "results.json")), ascii(f"{address}/runs/{example_run.name}/results")
        )
        names = await asyncio.to_thread(executed, cell)
    assert len(names["figures"]) == len(executed(cell_of(example_run))["figures"])


def test_cell_of_a_run_without_figures_makes_empty_tables(example_run: Path, tmp_path: Path) -> None:
    folder = recorded_run.copy(example_run, tmp_path)
    results = recorded_run.document(folder, "results.json")
    results["steps"]["policy-simulator"]["outputs"] = {"kpis": [1], "path": {"year": 1}}
    (folder / "results.json").write_text(json.dumps(results))
    assert len(executed(cell_of(folder))["figures"]) == 0


def test_cell_reads_the_table_of_the_sweep_that_the_run_belongs_to(example_run: Path, tmp_path: Path) -> None:
    folder = recorded_run.copy(example_run, tmp_path / 'o"dd')
    record = recorded_run.document(folder)
    record["request"]["scenario_id"] = 'x\nraise SystemExit("""'
    (folder / "run.json").write_text(json.dumps(record | {"sweep": "sweep_1"}))
    table = folder.parent / "sweeps" / "sweep_1" / "table.csv"
    table.parent.mkdir(parents=True)
    table.write_text("vat_rate,gdp_growth\n0.18,0.02\n")
    assert executed(cell_of(folder))["table"]["vat_rate"].tolist() == [0.18]
