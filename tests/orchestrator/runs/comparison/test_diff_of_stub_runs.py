"""What differs between runs of the shipped scenarios, and why, as the folders of the real orchestrator say it."""

import json
from pathlib import Path
from typing import Any

import pytest
import recorded_run
from stub_runs import StubRuns

from ops_orchestrator.runs.comparison.diff import RunDiff, diff_runs
from ops_orchestrator.runs.comparison.grades import Tolerance, Tolerances
from ops_orchestrator.runs.comparison.places import Limits
from ops_orchestrator.runs.comparison.text import text_of
from ops_orchestrator.runs.store.folder_run import FolderRun
from ops_stubs import __version__

VAT = "its input policy_parameters.vat_rate differs (0.18 → 0.2)"


@pytest.fixture(scope="session")
def again(stub_runs: StubRuns) -> Path:
    """The baseline run once more, in another store."""
    return recorded_run.run(stub_runs.home.parent / "again", recorded_run.scenario())


def stored(folder: Path) -> FolderRun:
    return FolderRun(folder.parent, folder.name)


def folder_of(runs: StubRuns, name: str) -> Path:
    return runs.home / "runs" / runs.ids[name]


def compared(runs: StubRuns, a: str, b: str, **options: Any) -> RunDiff:
    return diff_runs(stored(folder_of(runs, a)), stored(folder_of(runs, b)), **options)


def why(diff: RunDiff) -> dict[str, str]:
    return {step.id: step.why for step in diff.steps}


def test_an_input_that_differs_is_the_cause_and_the_next_step_differs_because_of_both(stub_runs: StubRuns) -> None:
    diff = compared(stub_runs, "baseline", "vat-raised")

    assert diff.cause == f"policy-simulator is the first step whose result differs: {VAT}."
    assert why(diff) == {
        "policy-simulator": VAT,
        "strategy-agent": f"{VAT}, and it is given the result of policy-simulator, which differs",
    }
    assert [step.grade for step in diff.steps] == ["different", "different"]


def test_only_the_layers_in_which_something_differs_are_there(stub_runs: StubRuns) -> None:
    found = compared(stub_runs, "baseline", "vat-raised").as_json()

    assert found.keys() == {"a", "b", "grade", "cause", "request", "steps"}
    assert [place["pointer"] for place in found["request"]["listed"]] == [
        "/inputs/policy_parameters/vat_rate",
        "/scenario_id",
    ]


def test_headline_figures_come_first_with_their_change_and_their_units(stub_runs: StubRuns) -> None:
    simulator = compared(stub_runs, "baseline", "vat-raised").steps[0]
    first = simulator.outputs.listed[0]

    assert first.pointer == "/kpis/consumption_index"
    assert first.change == pytest.approx(first.b - first.a)
    assert first.relative == pytest.approx((first.b - first.a) / first.a)
    assert simulator.units["consumption_index"].startswith("index")


def test_artifacts_are_compared_by_what_they_are(stub_runs: StubRuns) -> None:
    diff = compared(stub_runs, "baseline", "vat-raised")
    figures, plot, brief = (artifact for step in diff.steps for artifact in step.artifacts)

    assert (figures.kind, plot.kind, brief.kind) == ("json", "image", "text")
    assert "/kpis/gdp_growth" in {place.pointer for place in figures.places.listed}
    assert plot.a is not None
    assert plot.b is not None
    assert plot.a.size_bytes != plot.b.size_bytes
    assert "+# Brief: VAT raised from 18 % to 20 %, Dominican Republic" in brief.text.listed


def test_artifact_of_which_only_the_media_type_differs_is_listed_and_counts_as_equal(again: Path, tmp_path: Path) -> None:
    other = recorded_run.copy(again, tmp_path)
    results = recorded_run.document(other, "results.json")
    (brief,) = results["steps"]["strategy-agent"]["artifacts"]
    brief["media_type"] = "text/html"
    (other / "results.json").write_text(json.dumps(results))
    diff = diff_runs(stored(again), stored(other))

    assert [step.grade for step in diff.steps] == ["identical", "equal"]
    assert diff.cause == "The same result, step by step."
    assert f"  {brief['name']}: the same content, as text/markdown and as text/html\n" in text_of(diff)


def test_runs_of_two_machines_with_the_same_result_are_identical(stub_runs: StubRuns, again: Path) -> None:
    diff = diff_runs(stored(folder_of(stub_runs, "baseline")), stored(again))

    assert (diff.grade, diff.cause) == ("identical", "The same result, step by step.")


def test_a_run_and_itself_are_the_same_run(stub_runs: StubRuns) -> None:
    assert compared(stub_runs, "failed", "failed").cause == "The same run."
    assert compared(stub_runs, "failed", "failed").grade == "identical"


def test_another_seed_is_the_cause(stub_runs: StubRuns, again: Path, tmp_path: Path) -> None:
    other = recorded_run.copy(again, tmp_path)
    record = recorded_run.document(other)
    record["request"]["run_options"]["seed"] = 43
    (other / "run.json").write_text(json.dumps(record))
    diff = diff_runs(stored(folder_of(stub_runs, "vat-raised")), stored(other))

    assert diff.cause == (
        "policy-simulator is the first step whose result differs: its input policy_parameters.vat_rate differs (0.2 → 0.18), "
        "and the seed differs (42 → 43)."
    )
    assert [place.pointer for place in diff.options.listed] == ["/seed"]


def test_the_same_result_from_other_inputs_is_said_to_be_that(again: Path, tmp_path: Path) -> None:
    other = recorded_run.copy(again, tmp_path)
    record = recorded_run.document(other)
    record["request"]["inputs"]["country"] = "DO"
    record["steps"][0]["module_version"] = "9.9"
    (other / "run.json").write_text(json.dumps(record))
    diff = diff_runs(stored(again), stored(other))

    assert diff.grade == "identical"
    assert diff.cause == (
        'The same result, step by step, although the input country differs ("DR" → "DO"), '
        f"and policy-simulator's module changed from {__version__} to 9.9."
    )


def test_steps_that_only_one_run_has_are_missing_and_named_before_the_first_that_differs(stub_runs: StubRuns) -> None:
    diff = compared(stub_runs, "vat-raised", "all-modules")

    assert [(step.id, step.grade) for step in diff.steps if step.id != "policy-simulator"] == [
        ("data-layer", "missing"),
        ("supplychain-risk", "missing"),
        ("dr-anticorruption", "missing"),
        ("strategy-agent", "different"),
        ("monitor", "missing"),
    ]
    assert diff.cause.startswith("data-layer, supplychain-risk, dr-anticorruption and 1 more are steps only in B; ")
    assert "data-layer comes before it only in B" in diff.cause
    assert {place.pointer for place in diff.plan.listed} == {f"/{step.id}" for step in diff.steps if step.grade == "missing"}


def test_a_failure_in_one_run_is_the_cause_and_later_steps_were_not_reached(stub_runs: StubRuns) -> None:
    diff = compared(stub_runs, "baseline", "failed")

    assert diff.grade == "missing"
    assert diff.cause.startswith("policy-simulator failed in B: MODULE_ERROR, policy-simulator answers INVALID_INPUT")
    assert diff.cause.endswith("; its input policy_parameters.vat_rate differs (0.18 → 7).")
    assert why(diff)["strategy-agent"] == "was not reached in B, which failed before"
    assert not diff.modules.count


def test_what_is_listed_is_bounded_and_the_rest_is_counted(stub_runs: StubRuns) -> None:
    few = Limits(places=3, lines=4)
    diff = compared(stub_runs, "baseline", "vat-raised", limits=few)
    brief = diff.steps[1].artifacts[0]

    assert all(len(step.outputs.listed) == 3 and step.outputs.more > 3 for step in diff.steps)
    assert len(brief.text.listed) == 4
    assert brief.text.more > 50
    assert diff.steps[1].evidence.more + len(diff.steps[1].evidence.changed) == 7


def test_values_within_tolerance_do_not_make_a_step_different(stub_runs: StubRuns, tmp_path: Path) -> None:
    """The figures stand in the outputs and in kpis.json; the plot, which is not compared, would differ too."""
    folder = folder_of(stub_runs, "baseline")
    other = recorded_run.copy(folder, tmp_path)
    results = recorded_run.document(other, "results.json")
    outputs = results["steps"]["policy-simulator"]["outputs"]
    outputs["kpis"]["gdp_growth"] *= 1 + 1e-12
    (other / "results.json").write_text(json.dumps(results))

    exact, tolerant, pointed = (
        diff_runs(stored(folder), stored(other), tolerances)
        for tolerances in (
            Tolerances(),
            Tolerances(Tolerance(rel=1e-9)),
            Tolerances(places={"/kpis/gdp_growth": Tolerance(rel=1e-9)}),
        )
    )

    assert [diff.steps[0].grade for diff in (exact, tolerant, pointed)] == ["different", *["within tolerance"] * 2]
    assert tolerant.cause == "The same result within tolerance, step by step."


def test_the_address_is_the_one_that_answered_also_where_another_was_registered(again: Path, tmp_path: Path) -> None:
    """As in a run that was resumed after its modules had moved."""
    other = recorded_run.copy(again, tmp_path)
    modules = (other / "modules.json").read_text()
    (other / "modules.json").write_text(modules.replace("http://stubs/", "http://before/"))

    assert not diff_runs(stored(again), stored(other)).modules.count


@pytest.mark.parametrize("damage", ["missing", "changed", "link"])
def test_an_artifact_that_cannot_be_read_as_recorded_is_not_compared(stub_runs: StubRuns, tmp_path: Path, damage: str) -> None:
    other = recorded_run.copy(folder_of(stub_runs, "vat-raised"), tmp_path)
    brief = other / "artifacts" / "strategy-agent" / "brief.md"
    content = brief.read_bytes()
    brief.unlink()
    if damage == "changed":
        brief.write_bytes(content + b"more")
    if damage == "link":
        brief.symlink_to("/etc/passwd")
    diff = diff_runs(stored(folder_of(stub_runs, "baseline")), stored(other))
    (artifact,) = diff.steps[1].artifacts

    expected = {"missing": "cannot be read", "link": "cannot be read"}.get(damage, "is not the recorded one")
    assert artifact.note.startswith(f"not compared: that of B {expected}")
    assert not artifact.text.listed


def test_a_folder_of_version_0_1_0_is_compared_by_what_it_has(stub_runs: StubRuns, tmp_path: Path) -> None:
    folder = folder_of(stub_runs, "baseline")
    old = recorded_run.copy(folder, tmp_path)
    for file in ("modules.json", "steps/1-policy-simulator/result.json", "steps/2-strategy-agent/result.json"):
        (old / file).unlink()
    record = recorded_run.document(old)
    del record["format"], record["modules"]
    (old / "run.json").write_text(json.dumps(record))
    diff = diff_runs(stored(old), stored(folder))

    assert diff.grade == "identical"
    assert diff.notes == (
        "A does not say how its modules were called, so that changes of adapters are known by their hashes only.",
    )
