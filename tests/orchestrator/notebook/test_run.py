"""Stored runs as Python objects, made by the stubs."""

import json
import math
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from local_service import environment
from recorded_run import copy, document
from stub_runs import StubRuns

import ops_orchestrator
from ops_orchestrator import Run, compare, diff, open_run, verify
from ops_orchestrator.errors import ConfigurationError, DamagedRunError, NotFoundError

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(stub_runs: StubRuns) -> Path:
    return stub_runs.home / "runs" / stub_runs.ids["baseline"]


@pytest.fixture
def run(folder: Path) -> Run:
    return open_run(folder)


def test_public_names_are_those_of_the_documentation() -> None:
    assert set(ops_orchestrator.__all__) == {"Artifact", "Run", "__version__", "compare", "diff", "open_run", "verify"}
    with pytest.raises(AttributeError, match="has no attribute 'opened_run'"):
        ops_orchestrator.opened_run  # noqa: B018


@pytest.mark.parametrize("name", ["id", "beginning", "path"])
def test_run_is_named_as_on_the_command_line(
    stub_runs: StubRuns, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(stub_runs.home)
    written = {"id": folder.name, "beginning": folder.name.removeprefix("run_"), "path": f"runs/{folder.name}"}[name]
    assert open_run(written).id == folder.name


def test_latest_run_is_opened_unless_another_is_named(stub_runs: StubRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(stub_runs.home)
    started = {run_id: open_run(run_id).record["started_at"] for run_id in stub_runs.ids.values()}
    assert open_run().id == open_run("latest").id
    assert started[open_run().id] == max(started.values())


def test_runs_of_another_folder_are_found_in_it(stub_runs: StubRuns, folder: Path) -> None:
    runs = stub_runs.home / "runs"
    assert open_run(folder.name, runs).id == open_run(folder.name, runs_dir=str(runs)).id == folder.name


def test_run_that_is_not_there_is_an_error_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no folder"):
        open_run(tmp_path / "none")
    with pytest.raises(ConfigurationError, match="there is no run store at"):
        open_run("latest", tmp_path / "none")


def test_run_has_what_was_asked_for_and_found(run: Run, folder: Path) -> None:
    assert (run.status, run.scenario_id, run.inputs["country"]) == ("completed", "baseline", "DR")
    assert run.record["fingerprints"] == document(folder)["fingerprints"]
    assert run.outputs["policy-simulator"]["kpis"]["gini"] == run.figures["gini"].value
    assert (run.warnings, run.is_synthetic) == ({}, True)
    assert repr(run) == f"<Run {run.id}: 'baseline', completed, synthetic>"


def test_figures_are_a_table_of_pandas(run: Run) -> None:
    table = run.figures.to_pandas().set_index("key")
    assert table.loc["gdp_growth", ["step", "label", "synthetic"]].tolist() == ["policy-simulator", "GDP growth", True]
    assert table["value"].dtype == float
    assert len(table) == len(run.figures) == 7


def test_figure_is_found_by_its_key(run: Run) -> None:
    assert run.figures["policy-simulator/gini"] is run.figures["gini"]
    with pytest.raises(KeyError, match="no figure is named 'ginny'; there are policy-simulator/gdp_growth"):
        run.figures["ginny"]


def test_evidence_says_what_figures_rest_on(run: Run) -> None:
    simulator = run.evidence.steps[0]
    assert (simulator.step, simulator.supported) == ("policy-simulator", 14)
    assert [item.id for item in simulator.values[0].evidence] == ["model"]


def test_artifact_has_its_bytes_and_its_place(run: Run, folder: Path) -> None:
    plot, brief = run.artifact("plot.png"), run.artifact("brief.md", step="strategy-agent")
    assert plot.path == folder / "artifacts/policy-simulator/plot.png"
    assert plot._repr_png_() == plot.read_bytes() == plot.path.read_bytes()
    assert brief.read_text().startswith("# ")
    assert brief._repr_png_() is None
    assert repr(plot) == f"<Artifact policy-simulator/plot.png: image/png, {plot.size_bytes:,} bytes>"


def test_artifact_that_is_not_there_is_an_error_that_lists_those_that_are(run: Run) -> None:
    with pytest.raises(NotFoundError, match=r"has no artifact 'x\.png'; there are policy-simulator/kpis.json, policy-sim"):
        run.artifact("x.png")
    with pytest.raises(NotFoundError, match=r"has no artifact 'plot\.png' of strategy-agent; there are"):
        run.artifact("plot.png", step="strategy-agent")


def test_artifact_with_other_bytes_than_the_run_recorded_is_an_error(folder: Path, tmp_path: Path) -> None:
    copied = copy(folder, tmp_path)
    (copied / "artifacts/policy-simulator/kpis.json").write_text("{}")
    with pytest.raises(DamagedRunError, match="its bytes are not those that the run recorded"):
        open_run(copied).artifact("kpis.json").read_bytes()


@pytest.mark.parametrize("path", ["../../etc/passwd", "/etc/passwd", None])
def test_artifact_of_a_foreign_run_is_read_from_its_folder_alone(folder: Path, tmp_path: Path, path: str | None) -> None:
    copied = copy(folder, tmp_path)
    results = document(copied, "results.json")
    results["steps"]["policy-simulator"]["artifacts"][0]["path"] = path
    (copied / "results.json").write_text(json.dumps(results))
    artifact = open_run(copied).artifact("kpis.json")
    with pytest.raises((DamagedRunError, NotFoundError)):
        artifact.read_bytes()
    with pytest.raises((DamagedRunError, NotFoundError)):
        artifact.path  # noqa: B018


def test_text_of_modules_is_escaped_in_a_notebook(folder: Path, tmp_path: Path) -> None:
    copied = copy(folder, tmp_path)
    results = document(copied, "results.json")
    results["steps"]["policy-simulator"]["outputs"]["labels"]["gini"] = "<script>alert(1)</script>"
    (copied / "results.json").write_text(json.dumps(results))
    opened = open_run(copied)
    for shown in (opened._repr_html_(), compare(opened, opened)._repr_html_()):
        assert "<script>" not in shown
        assert "&lt;script&gt;" in shown


def test_runs_are_compared_side_by_side(stub_runs: StubRuns, run: Run) -> None:
    raised = str(stub_runs.home / "runs" / stub_runs.ids["vat-raised"])
    compared = compare(run, raised)
    table = compared.to_pandas().pivot(index="key", columns="run", values="value")
    assert table.loc["revenue_share_gdp", "vat-raised"] > table.loc["revenue_share_gdp", "baseline"]
    assert compared.rows()[1]["change"] == compared.as_json()["figures"][0]["values"][1]["change"]
    assert compared.to_csv().startswith("step,figure,label,unit,better,baseline")
    assert compared.to_markdown().startswith("| Run | Id |")


def test_difference_of_two_runs_has_its_cause(stub_runs: StubRuns, run: Run) -> None:
    found = diff(run, stub_runs.home / "runs" / stub_runs.ids["vat-raised"])
    assert "vat_rate" in found.cause
    assert diff(run, run, rel=1e-9, places={"/kpis": 1e-6}).grade == "identical"
    with pytest.raises(ConfigurationError, match="a number from 0 on"):
        diff(run, run, rel=math.nan)
    with pytest.raises(ConfigurationError, match="a number from 0 on"):
        diff(run, run, abs=math.inf)
    with pytest.raises(ConfigurationError, match="not for 'kpis'"):
        diff(run, run, places={"kpis": 1e-6})


def test_run_is_verified(run: Run, folder: Path, tmp_path: Path) -> None:
    assert verify(run).is_intact
    copied = copy(folder, tmp_path)
    (copied / "results.json").write_text("{}")
    assert {finding.file for finding in verify(copied).findings} == {"results.json"}


WITHOUT_PANDAS = """
import sys
sys.modules["pandas"] = None  # as if it were not installed
from ops_orchestrator import compare, open_run
run = open_run(sys.argv[1])
print(len(run.figures), len(compare(run, run).rows()))
try:
    run.figures.to_pandas()
except ImportError as error:
    print(error)
"""


def test_everything_but_tables_of_pandas_works_without_it(folder: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT_PANDAS, folder], env=environment(), capture_output=True, text=True, check=True
    )
    counted, sentence = ran.stdout.splitlines()
    assert counted == "7 14"
    assert sentence == "pandas is not installed; install it (`pip install pandas`), or use the rows, which are plain Python"


def test_run_without_saved_artifacts_says_so(folder: Path, tmp_path: Path) -> None:
    copied = copy(folder, tmp_path)
    shutil.rmtree(copied / "artifacts")
    with pytest.raises(NotFoundError):
        open_run(copied).artifact("plot.png").read_bytes()
