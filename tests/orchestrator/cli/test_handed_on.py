"""A run on its way: exported on one machine, taken in on another, and put to use there without its modules."""

import json
from pathlib import Path

import pytest
from command_line import ops
from stub_runs import StubRuns


@pytest.fixture
def elsewhere(stub_runs: StubRuns, tmp_path: Path) -> Path:
    """A machine with an empty store and other modules, which was handed a run."""
    run = stub_runs.home / "runs" / stub_runs.ids["vat-raised"]
    assert ops(tmp_path, "runs", "export", f"{run}/", "--to", "run.zip").returncode == 0
    (tmp_path / "modules.yaml").write_text("modules: {}")
    ran = ops(tmp_path, "runs", "import", "run.zip")
    assert ran.returncode == 0, ran.stderr
    return tmp_path


def test_imported_run_is_intact_and_reproduced_offline_as_it_was(stub_runs: StubRuns, elsewhere: Path) -> None:
    run_id = stub_runs.ids["vat-raised"]
    verified = ops(elsewhere, "runs", "verify", run_id)
    assert (verified.returncode, json.loads(verified.stdout)["intact"]) == (0, True)
    reproduced = ops(elsewhere, "runs", "reproduce", run_id, "--offline")
    assert reproduced.returncode == 0, reproduced.stderr
    answer = json.loads(reproduced.stdout)
    assert answer["reproduction"]["steps"] == {"policy-simulator": "identical", "strategy-agent": "identical"}
    again = ops(elsewhere, "runs", "verify", answer["run_id"])
    assert json.loads(again.stdout)["intact"]


def test_imported_run_is_compared_with_a_run_of_the_other_machine(stub_runs: StubRuns, elsewhere: Path) -> None:
    other = stub_runs.home / "runs" / stub_runs.ids["baseline"]
    ran = ops(elsewhere, "runs", "diff", f"{other}/", stub_runs.ids["vat-raised"])
    assert ran.returncode == 1
    assert "its input policy_parameters.vat_rate differs (0.18 → 0.2)" in json.loads(ran.stdout)["cause"]
    compared = ops(elsewhere, "runs", "compare", f"{other}/", "run.zip", "--format", "csv")
    assert "GDP growth" in compared.stdout
