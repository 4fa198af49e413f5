"""`ops runs expect` and `ops runs check`, on runs that the stubs made."""

import json
from collections.abc import Callable
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import pytest
import recorded_run
from command_line import on_terminal, ops
from local_service import service

from ops_orchestrator.errors import ConfigurationError
from ops_orchestrator.runs.expectations import expectation_text, read_expectation
from ops_orchestrator.runs.store.folder_run import FolderRun

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that is as it should be."""
    return recorded_run.run(tmp_path_factory.mktemp("home"), recorded_run.scenario())


@pytest.fixture
def expected(good: Path, tmp_path: Path) -> Path:
    """A file that says what a run must come to."""
    ran = ops(tmp_path, "runs", "expect", str(good), "--to", "vat.json")
    assert (ran.returncode, ran.stdout) == (0, "")
    assert "`ops runs check vat.json` runs its scenario" in ran.stderr
    return tmp_path / "vat.json"


def change(file: Path, how: Callable[[Any], Any]) -> None:
    document = json.loads(file.read_bytes())
    how(document)
    file.write_text(json.dumps(document))


def checked(file: Path, run: Path) -> tuple[int, dict[str, Any]]:
    ran = ops(file.parent, "runs", "check", file.name, "--run", str(run))
    (judged,) = json.loads(ran.stdout)
    return ran.returncode, judged


def test_file_has_the_scenario_and_the_key_figures_and_is_the_same_for_the_same_results(
    good: Path, expected: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    document = json.loads(expected.read_bytes())
    record, results = recorded_run.document(good), recorded_run.document(good, "results.json")
    assert document["scenario"] == record["request"]
    assert document["fingerprints"] == record["fingerprints"]
    kpis = results["steps"]["policy-simulator"]["outputs"]["kpis"]
    assert document["figures"]["policy-simulator"] == {f"/kpis/{name}": value for name, value in kpis.items()}
    again = recorded_run.run(tmp_path_factory.mktemp("again"), recorded_run.scenario())
    assert ops(good.parent, "runs", "expect", str(again)).stdout.encode() == expected.read_bytes()
    assert "fingerprints" not in json.loads(ops(good.parent, "runs", "expect", str(again), "--figures-only").stdout)


def test_run_that_is_as_expected_passes(good: Path, expected: Path) -> None:
    code, judged = checked(expected, good)
    assert (code, judged["passed"], judged["missed"], judged["notes"]) == (0, True, [], [])


def test_figure_beyond_its_tolerance_fails_and_is_named(good: Path, expected: Path) -> None:
    def move(document: dict[str, Any]) -> None:
        figures = document["figures"]["policy-simulator"]
        figures["/kpis/gdp_growth"] += 0.1
        figures["/kpis/nothing"] = 1

    before = json.loads(expected.read_bytes())["figures"]["policy-simulator"]["/kpis/gdp_growth"]
    change(expected, move)
    code, judged = checked(expected, good)
    assert (code, judged["passed"]) == (1, False)
    assert [(missed["pointer"], missed["found"]) for missed in judged["missed"]] == [
        ("/kpis/gdp_growth", before),
        ("/kpis/nothing", None),
    ]
    code, shown = on_terminal(expected.parent, "runs", "check", expected.name, "--run", str(good))
    assert (code, "/kpis/gdp_growth" in shown, "nothing" in shown) == (1, True, True)


@pytest.mark.parametrize("tolerance", [{"rel": 0.9}, {"abs": 0.2}])
@pytest.mark.parametrize("own", [False, True])
def test_other_result_with_all_figures_within_tolerance_passes_with_a_note(
    good: Path, expected: Path, tolerance: dict[str, float], own: bool
) -> None:
    def move(document: dict[str, Any]) -> None:
        figures = document["figures"]["policy-simulator"]
        value = figures["/kpis/gdp_growth"] + 0.1
        figures["/kpis/gdp_growth"] = {"value": value, **tolerance} if own else value
        if not own:
            document["tolerance"] = tolerance
        document["fingerprints"] = {"recipe": "0" * 64, "result": "0" * 64}

    change(expected, move)
    code, judged = checked(expected, good)
    assert (code, judged["passed"]) == (0, True)
    assert [note.partition(":")[0] for note in judged["notes"]] == [
        "the recipe differs",
        "the result differs, and all figures are within their tolerance",
    ]


@pytest.mark.parametrize("own", [{"abs": 1e-9}, {"rel": 1e-9}])
def test_tolerance_of_a_figure_replaces_that_of_the_file(good: Path, expected: Path, own: dict[str, float]) -> None:
    def move(document: dict[str, Any]) -> None:
        figures = document["figures"]["policy-simulator"]
        figures["/kpis/gdp_growth"] = {"value": figures["/kpis/gdp_growth"] + 1e-6, **own}
        document["tolerance"] = {"rel": 0.5, "abs": 0.5}

    change(expected, move)
    code, judged = checked(expected, good)
    assert (code, [missed["pointer"] for missed in judged["missed"]]) == (1, ["/kpis/gdp_growth"])
    assert {name: judged["missed"][0][name] for name in ("rel", "abs")} == {"rel": 0.0, "abs": 0.0, **own}


def test_other_result_without_figures_to_judge_it_by_fails(good: Path, expected: Path) -> None:
    change(expected, lambda document: document.update(figures={}, fingerprints={"result": "0" * 64}))
    assert checked(expected, good)[0] == 1


def test_run_that_did_not_complete_fails_and_cannot_be_expected(expected: Path, tmp_path: Path) -> None:
    failed = recorded_run.run(tmp_path / "home", recorded_run.scenario(policy_parameters={"vat_rate": "high"}))
    code, judged = checked(expected, failed)
    message = recorded_run.document(failed)["error"]["message"]
    assert (code, judged["notes"]) == (1, [f"the run is failed: {message}"])
    ran = ops(tmp_path, "runs", "expect", str(failed))
    assert (ran.returncode, "only a completed run says what a run must come to" in ran.stderr) == (2, True)


def test_damaged_run_is_neither_written_down_nor_judged(good: Path, expected: Path, tmp_path: Path) -> None:
    damaged = recorded_run.copy(good, tmp_path)
    figures = ("steps", "policy-simulator", "outputs", "kpis")
    change(damaged / "results.json", lambda results: reduce(getitem, figures, results).update(gdp_growth=9.0))
    for words in (("expect", str(damaged), "--to", "bad.json"), ("check", expected.name, "--run", str(damaged))):
        ran = ops(tmp_path, "runs", *words)
        assert (ran.returncode, ran.stdout) == (2, "")
        assert "results.json is damaged: expected " in ran.stderr
    assert not (tmp_path / "bad.json").exists()


@pytest.mark.parametrize(
    ("how", "pointer"),
    [
        (lambda document: document.update(format=2), "/format"),
        (lambda document: document.pop("scenario"), "/scenario"),
        (lambda document: document["scenario"].update(modules=[]), "/scenario/modules"),
        (lambda document: document["figures"].update(other={}), "/figures/other"),
        (lambda document: document["figures"]["policy-simulator"].update({"/a": "x"}), "/figures/policy-simulator/~1a"),
        (lambda document: document["tolerance"].update(rel=-1), "/tolerance/rel"),
        (lambda document: document.update(figures={}, fingerprints={"recipe": "0" * 64}), "/figures"),
        (lambda document: document.update(figures={"policy-simulator": {}}, fingerprints={}), "/figures"),
        (lambda document: document.update(figure={}), "/figure"),
    ],
)
def test_file_that_cannot_be_used_is_refused_with_a_pointer(good: Path, expected: Path, how: Any, pointer: str) -> None:
    change(expected, how)
    ran = ops(expected.parent, "runs", "check", expected.name, "--run", str(good))
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("ops: vat.json does not say what a run must come to: ")
    assert f"\n  {pointer}: " in ran.stderr
    assert "request" not in ran.stderr


def test_run_without_figures_is_not_written_down_without_its_fingerprints(good: Path) -> None:
    run = FolderRun(good.parent, good.name)
    nothing = run.results().model_copy(update={"steps": {}})
    assert read_expectation(expectation_text(run.record(), nothing, rel=0.0)).figures == {}
    with pytest.raises(ConfigurationError, match="has no figures to judge a run by; leave out --figures-only"):
        expectation_text(run.record(), nothing, rel=0.0, figures_only=True)


def test_figure_that_is_no_number_is_told_what_it_must_be(good: Path, expected: Path) -> None:
    change(expected, lambda document: document["figures"]["policy-simulator"].update({"/kpis/gdp_growth": "0.04"}))
    ran = ops(expected.parent, "runs", "check", expected.name, "--run", str(good))
    assert "/figures/policy-simulator/~1kpis~1gdp_growth: must be a number, or an object with value" in ran.stderr


@pytest.mark.parametrize("figures_only", [False, True])
def test_run_of_another_scenario_is_judged_with_a_note(good: Path, expected: Path, figures_only: bool) -> None:
    def move(document: dict[str, Any]) -> None:
        document["scenario"]["inputs"]["policy_parameters"].update(vat_rate=0.3)
        document["scenario"]["run_options"]["labels"] = {"study": "vat"}
        if figures_only:
            del document["fingerprints"]

    change(expected, move)
    code, judged = checked(expected, good)
    assert (code, [note.partition(":")[0] for note in judged["notes"]]) == (0, ["the run is of another scenario"])


def test_file_that_is_there_is_replaced_only_with_force(good: Path, expected: Path) -> None:
    before = expected.read_bytes()
    change(expected, lambda document: document["tolerance"].update(rel=0.5))
    edited = expected.read_bytes()
    ran = ops(expected.parent, "runs", "expect", str(good), "--to", expected.name)
    assert (ran.returncode, "add --force to replace it" in ran.stderr, expected.read_bytes()) == (2, True, edited)
    assert ops(expected.parent, "runs", "expect", str(good), "--to", expected.name, "--force").returncode == 0
    assert expected.read_bytes() == before


def test_service_runs_the_scenarios_of_several_files(tmp_path: Path, stubs: str) -> None:
    (tmp_path / "modules.yaml").write_text(f"modules: {{policy-simulator: {{url: {stubs}/policy-simulator}}}}")
    (tmp_path / "scenario.json").write_text(json.dumps(recorded_run.scenario(["policy-simulator"])))
    with service(tmp_path, "ops", "serve", "--port", "0", OPS_MODULES_FILE=str(tmp_path / "modules.yaml")) as (_, url):
        run_id = json.loads(ops(tmp_path, "run", "scenario.json", OPS_URL=url).stdout)["run_id"]
        for name in ("good.json", "bad.json"):
            ops(tmp_path, "runs", "expect", "latest", "--to", name)
        change(tmp_path / "bad.json", lambda document: document["scenario"]["inputs"]["policy_parameters"].update(vat_rate=0.3))
        ran = ops(tmp_path, "runs", "check", "good.json", "bad.json", OPS_URL=url)
    judged = json.loads(ran.stdout)
    assert (ran.returncode, [each["passed"] for each in judged]) == (1, [True, False])
    assert run_id not in {each["run_id"] for each in judged}
