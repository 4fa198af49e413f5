"""`ops runs sync`: from folders to a bucket and back."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from command_line import ops
from object_stores import credentials_for, new_prefix, objects_at, put_object
from run_records import GOOD, RUN_ID, contents, first_events, store_two_runs, wait_for

from ops_orchestrator.planning.sweep import read_sweep
from ops_orchestrator.runs.run_id import new_sweep_id
from ops_orchestrator.runs.run_state import RunState
from ops_orchestrator.runs.store.folder import FolderStore
from ops_orchestrator.runs.sweeps.points_log import PointOutcome
from ops_orchestrator.runs.sweeps.state import SweepState
from ops_orchestrator.runs.sweeps.sweep_store import SweepStore

UNDER_WAY = "run_2026-01-09T12-34-58Z_000001"


@pytest.fixture
def prefix() -> str:
    return new_prefix()


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """The folder of a store with two runs that are over, and one that is not."""

    async def leave() -> None:
        with closing(FolderStore.open(tmp_path / "stored")) as store:
            _, events = first_events(run_id=UNDER_WAY)
            await (await store.create(events, RunState.of(events).record, b'{"modules": {}}\n')).abandon()

    store_two_runs(tmp_path / "stored")
    wait_for(leave())
    return tmp_path / "stored"


def sync(folder: Path, moto: str, *words: str) -> tuple[int, dict[str, str]]:
    """The exit code of a sync, and what became of each run."""
    ran = ops(folder, "runs", "sync", *words, "--json", **credentials_for(moto), OPS_MIN_FREE_BYTES="0")
    return ran.returncode, {run["run_id"]: run["outcome"] for run in json.loads(ran.stdout)["runs"]}


def test_runs_go_into_a_bucket_and_come_back_as_they_were(tmp_path: Path, moto: str, prefix: str, stored: Path) -> None:
    over = {RUN_ID, GOOD}
    assert sync(tmp_path, moto, "stored", prefix) == (0, dict.fromkeys(over, "would be copied") | {UNDER_WAY: "not over"})
    assert objects_at(moto, prefix) == {}
    assert sync(tmp_path, moto, "stored", prefix, "--yes") == (0, dict.fromkeys(over, "copied") | {UNDER_WAY: "not over"})
    assert sync(tmp_path, moto, prefix, "back", "--yes") == (0, dict.fromkeys(over, "copied"))
    assert sync(tmp_path, moto, prefix, "back", "--yes") == (0, dict.fromkeys(over, "already there"))
    for run_id in over:
        assert contents(tmp_path / "back" / run_id) == contents(stored / run_id)


def test_run_that_is_not_intact_and_one_that_the_target_has_otherwise_are_refused(
    tmp_path: Path, moto: str, prefix: str, stored: Path
) -> None:
    (stored / RUN_ID / "steps" / "1-alpha" / "result.json").write_text("{}")
    code, outcomes = sync(tmp_path, moto, "stored", prefix, "--yes")
    assert (code, outcomes[RUN_ID], outcomes[GOOD]) == (1, "refused", "copied")
    store_two_runs(tmp_path / "others")
    code, outcomes = sync(tmp_path, moto, "others", prefix, "--yes")
    assert (code, outcomes) == (1, {RUN_ID: "copied", GOOD: "refused"})


def test_what_a_killed_sync_left_is_copied_to_the_end(tmp_path: Path, moto: str, prefix: str, stored: Path) -> None:
    # The log comes last.
    for name, content in contents(stored / RUN_ID).items():
        if content is not None and name != "logs.jsonl":
            put_object(moto, prefix, f"{RUN_ID}/{name}", b"other" if name == "results.json" else content)
    assert sync(tmp_path, moto, "stored", prefix, "--yes")[1][RUN_ID] == "copied"
    assert sync(tmp_path, moto, prefix, "back", "--yes")[1][RUN_ID] == "copied"
    assert contents(tmp_path / "back" / RUN_ID) == contents(stored / RUN_ID)


def test_stores_must_be_two_and_the_address_of_a_bucket_one(tmp_path: Path, moto: str, stored: Path) -> None:
    assert stored.is_dir()
    for words, said in (
        (("stored", "stored/"), "are one store"),
        (("nowhere", "stored"), "there is no run store at nowhere"),
        (("s3://UPPER/x", "stored"), "must be s3://BUCKET"),
    ):
        ran = ops(tmp_path, "runs", "sync", *words, **credentials_for(moto))
        assert (ran.returncode, said in ran.stderr) == (2, True), ran.stderr


def test_commands_read_runs_that_are_in_a_bucket(tmp_path: Path, moto: str, prefix: str, stored: Path) -> None:
    assert stored.is_dir()
    sync(tmp_path, moto, "stored", prefix, "--yes")
    given = {**credentials_for(moto), "OPS_RUNS_URL": prefix}
    for words in (
        ("list",),
        ("show", "latest"),
        ("logs", "latest"),
        ("verify", RUN_ID),
        ("diff", RUN_ID, GOOD),
        ("usage",),
        ("export", RUN_ID, "--to", "one.zip"),
        ("report", RUN_ID, "--to", "report.html"),
    ):
        ran = ops(tmp_path, "runs", *words, **given)
        assert ran.returncode in (0, 1 if words[0] == "diff" else 0), (words, ran.stderr)
    assert ops(tmp_path, "runs", "prune", "--older-than", "0h", "--yes", **given).returncode == 0
    assert objects_at(moto, prefix) == {}
    other = {**given, "OPS_RUNS_URL": new_prefix()}
    assert ops(tmp_path, "runs", "import", "one.zip", **other).returncode == 0
    assert f"{RUN_ID}/run.json" in objects_at(moto, other["OPS_RUNS_URL"])


def test_runs_in_folders_are_not_listed_among_those_of_a_bucket(tmp_path: Path, moto: str, prefix: str, stored: Path) -> None:
    def listed(**variables: str) -> int:
        ran = ops(tmp_path, "runs", "list", "--json", OPS_RUNS_DIR=str(stored), **credentials_for(moto), **variables)
        return len(json.loads(ran.stdout))

    assert (listed(), listed(OPS_RUNS_URL=prefix), listed()) == (3, 0, 3)


def test_sweep_goes_into_a_bucket_and_comes_back_as_it_was(tmp_path: Path, moto: str, prefix: str) -> None:
    sweep_id, under_way = (kept_sweep(tmp_path / "stored", status) for status in ("completed", "running"))
    assert synced_sweeps(tmp_path, moto, "stored", prefix) == {sweep_id: "would be copied", under_way: "not over"}
    assert synced_sweeps(tmp_path, moto, "stored", prefix, "--yes") == {sweep_id: "copied", under_way: "not over"}
    assert synced_sweeps(tmp_path, moto, prefix, "back", "--yes") == {sweep_id: "copied"}
    listed = ops(tmp_path, "sweep", "list", "--json", **credentials_for(moto), OPS_RUNS_URL=prefix)
    assert [sweep["sweep_id"] for sweep in json.loads(listed.stdout)] == [sweep_id]
    assert synced_sweeps(tmp_path, moto, prefix, "back", "--yes") == {sweep_id: "already there"}
    before, after = (contents(tmp_path / store / "sweeps" / sweep_id) for store in ("stored", "back"))
    assert before == after
    state = tmp_path / "back" / "sweeps" / sweep_id / "sweep.json"
    state.write_bytes(state.read_bytes() + b" ")
    assert synced_sweeps(tmp_path, moto, prefix, "back", "--yes") == {sweep_id: "refused"}


def kept_sweep(runs: Path, status: Any) -> str:
    """Have a sweep of this status kept in a store; returns its id."""
    runs.mkdir(exist_ok=True)
    asked = b'{"scenario_id": "demo", "modules": ["alpha"], "sweep": {"seeds": 2}}'
    state = SweepState.begun(new_sweep_id(), read_sweep(asked))
    with closing(SweepStore.open(runs, "os")) as store:
        writer = store.create(state, asked)
        writer.add([PointOutcome(number=number, status="completed", run_id=RUN_ID) for number in (1, 2)])
        writer.write("table.csv", [b"point,status\n"])
        writer.save(state.model_copy(update={"status": status}))
        writer.release()
    return state.sweep_id


def synced_sweeps(folder: Path, moto: str, *words: str) -> dict[str, str]:
    """What became of each sweep of a sync."""
    ran = ops(folder, "runs", "sync", *words, "--json", **credentials_for(moto), OPS_MIN_FREE_BYTES="0")
    return {sweep["sweep_id"]: sweep["outcome"] for sweep in json.loads(ran.stdout)["sweeps"]}
