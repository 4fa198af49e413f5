"""Folders say in which format they are: those of released versions are read, those of later ones refused, with what to do."""

import json
import shutil
from contextlib import closing
from pathlib import Path

import pytest
from scripted_module import ScriptedModule, StartService

import ops_orchestrator
from ops_orchestrator.errors import DamagedRunError, StoreError
from ops_orchestrator.runs.store.folder import FolderStore
from ops_orchestrator.runs.sweeps.sweep_store import SweepStore

RELEASED = {"0.1.0": Path(__file__).with_name("version_0_1_0")}
"""A store that each released version made, with its own code."""


def test_every_released_version_has_its_folders_here() -> None:
    changelog = (Path(__file__).parents[4] / "CHANGELOG.md").read_text()
    released = [line.split()[1].strip("[]") for line in changelog.splitlines() if line.startswith("## ")]
    assert set(released) - {"Unreleased", ops_orchestrator.__version__} <= set(RELEASED)


@pytest.mark.parametrize("version", RELEASED)
async def test_service_serves_the_runs_of_a_released_version(start_service: StartService, tmp_path: Path, version: str) -> None:
    shutil.copytree(RELEASED[version], tmp_path / "runs")
    run_ids = sorted(path.name for path in RELEASED[version].iterdir() if path.name.startswith("run_"))
    async with start_service(ScriptedModule()) as ops:
        listed = (await ops.get("/runs")).json()["runs"]
        verified = [(await ops.get(f"/runs/{run_id}/verification")).json() for run_id in run_ids]
        pages = [await ops.get(f"/runs/{run_id}", headers={"Accept": "text/html"}) for run_id in run_ids]
        archives = [await ops.get(f"/runs/{run_id}/archive") for run_id in run_ids]
    assert sorted(run["run_id"] for run in listed) == run_ids
    assert {run["status"] for run in listed} <= {"completed", "failed"}
    assert [found["intact"] for found in verified] == [True] * len(run_ids)
    assert {answer.status_code for answer in (*pages, *archives)} == {200}


async def test_folders_of_a_later_version_are_refused_and_stay_as_they_are(start_service: StartService, tmp_path: Path) -> None:
    async with start_service(ScriptedModule()) as ops:
        run_id = (await ops.post("/plan_and_execute", json={"scenario_id": "x", "modules": ["alpha"]})).json()["run_id"]
        swept = {"scenario_id": "x", "modules": ["alpha"], "sweep": {"seeds": 1}}
        sweep_id = (await ops.post("/sweeps", json=swept, headers={"Prefer": "wait=600"})).json()["sweep_id"]
    files = [tmp_path / "runs" / run_id / "run.json", tmp_path / "runs" / "sweeps" / sweep_id / "sweep.json"]
    for file in files:
        file.write_text(json.dumps({**json.loads(file.read_bytes()), "format": 99, "status": "from the future"}))
    before = [file.read_bytes() for file in files]
    later = "made by a later version of the orchestrator, format 99; upgrade to read it"
    with closing(FolderStore.open(tmp_path / "runs")) as store, pytest.raises(DamagedRunError, match=later):
        store.record(run_id)
    with closing(SweepStore.open(tmp_path / "runs")) as sweeps, pytest.raises(StoreError, match=later):
        sweeps.state(sweep_id)
    async with start_service(ScriptedModule()) as ops:
        assert later in (await ops.get(f"/sweeps/{sweep_id}")).json()["detail"]
    assert [file.read_bytes() for file in files] == before
