"""What the figures of runs of the stubs rest on, and which of them are made up because of others."""

import json
from pathlib import Path
from typing import Any

import pytest
from recorded_run import copy
from stub_runs import StubRuns

from ops_orchestrator.errors import InvalidRequestError, NotFoundError
from ops_orchestrator.runs.evidence import EVERY_FIGURE, MOST_LISTED, EvidenceFilter, RunEvidence, StepEvidence
from ops_orchestrator.runs.record import MODULES
from ops_orchestrator.runs.store.folder_run import FolderRun


def evidence_in(folder: Path, where: EvidenceFilter = EVERY_FIGURE) -> RunEvidence:
    run = FolderRun(folder.parent, folder.name)
    return RunEvidence.of(run.record(), run.results(), lambda: run.document(MODULES), where)


@pytest.fixture
def folder(stub_runs: StubRuns) -> Path:
    return stub_runs.home / "runs" / stub_runs.ids["all-modules"]


def only(folder: Path, **chosen: Any) -> StepEvidence:
    (step,) = evidence_in(folder, EvidenceFilter(**chosen)).steps
    return step


def change(folder: Path, name: str, **fields: Any) -> None:
    """Change each step in run.json or results.json as `fields` say of it."""
    document = json.loads((folder / name).read_bytes())
    steps = document["steps"]
    for step in steps.values() if isinstance(steps, dict) else steps:
        step.update(fields)
    (folder / name).write_text(json.dumps(document))


def test_coverage_is_the_share_of_figures_with_evidence(folder: Path) -> None:
    step = only(folder, step="policy-simulator")
    assert (step.supported, step.coverage) == (14, f"14 of {step.figures} figures rest on evidence")
    assert [value.pointer for value in step.values[:14] if value.evidence] == [value.pointer for value in step.values[:14]]
    assert not any(value.evidence for value in step.values[14:])
    assert len(step.values) == step.figures


def test_figure_rests_on_its_evidence_with_label_and_unit(folder: Path) -> None:
    (value,) = only(folder, step="policy-simulator", pointer="/baseline/gini").values
    assert (value.label, value.unit) == ("Gini coefficient", "0 (equal) to 1, last year")
    assert [(item.id, item.supports[0]) for item in value.evidence] == [("starting-point", "/baseline/gdp_growth")]
    assert value.synthetic is True


def test_evidence_is_kept_with_what_it_supports(folder: Path) -> None:
    document = json.loads(json.dumps(evidence_in(folder).as_json()))
    simulator = next(step for step in document["steps"] if step["step"] == "policy-simulator")
    assert simulator["evidence"][0]["supports"][0] == "/kpis/gdp_growth"
    assert simulator["values"][0]["evidence"] == ["model"]


def test_figures_without_evidence_are_found(stub_runs: StubRuns) -> None:
    folder = stub_runs.home / "runs" / stub_runs.ids["baseline"]
    step = only(folder, step="policy-simulator", unsupported=True)
    assert len(step.values) == step.figures - step.supported
    assert "/change/gini" in [value.pointer for value in step.values]
    assert {value.synthetic for value in step.values} == {None}


def test_value_that_is_no_number_is_found_by_its_pointer(folder: Path) -> None:
    step = only(folder, step="strategy-agent", pointer="/recommendation")
    assert [(type(value.value), [item.id for item in value.evidence]) for value in step.values] == [(str, ["rules"])]


def test_pointer_alone_finds_the_steps_that_have_it(folder: Path) -> None:
    assert [step.step for step in evidence_in(folder, EvidenceFilter(pointer="/overall")).steps] == [
        "supplychain-risk",
        "dr-anticorruption",
    ]


def test_pointer_into_nothing_is_an_error(folder: Path) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        evidence_in(folder, EvidenceFilter("monitor", "kpis"))
    assert str(caught.value.problems[0]) == "pointer: must lead to a value in the outputs of monitor, such as /kpis, not 'kpis'"


@pytest.mark.parametrize(
    ("scenario", "step", "message"),
    [
        ("baseline", "simulator", "has no step 'simulator'; its steps are policy-simulator, strategy-agent."),
        ("failed", "strategy-agent", "did not complete, so that it has no figures."),
    ],
)
def test_step_without_figures_is_an_error(stub_runs: StubRuns, scenario: str, step: str, message: str) -> None:
    with pytest.raises(NotFoundError, match=message):
        evidence_in(stub_runs.home / "runs" / stub_runs.ids[scenario], EvidenceFilter(step))


def test_run_without_a_completed_step_has_none(stub_runs: StubRuns) -> None:
    assert evidence_in(stub_runs.home / "runs" / stub_runs.ids["failed"]).steps == ()


def test_values_beyond_the_most_are_counted(folder: Path, tmp_path: Path) -> None:
    copied = copy(folder, tmp_path)
    change(copied, "results.json", outputs={"a": [*range(MOST_LISTED), *range(7)]}, evidence=[])
    step = only(copied, step="monitor")
    assert (len(step.values), step.more, step.figures) == (MOST_LISTED, 7, MOST_LISTED + 7)


def test_step_is_synthetic_because_of_an_earlier_one(folder: Path, tmp_path: Path) -> None:
    copied = copy(folder, tmp_path)
    change(copied, "run.json", synthetic=False)
    document = json.loads((copied / "results.json").read_bytes())
    honest = [{"id": "e", "kind": "dataset", "title": "Census", "supports": ["/totals"]}]
    document["steps"]["monitor"]["evidence"] = honest
    for other in ("data-layer", "supplychain-risk", "dr-anticorruption", "strategy-agent"):
        document["steps"][other]["evidence"] = []
    (copied / "results.json").write_text(json.dumps(document))
    step = only(copied, step="monitor", pointer="/totals/steps")
    assert step.synthetic_text == "synthetic, because policy-simulator is"
    assert [value.synthetic for value in step.values] == [True]
    assert not only(copied, step="data-layer").synthetic


def test_adapted_step_is_synthetic_because_of_what_its_mappings_name(folder: Path, tmp_path: Path) -> None:
    copied = copy(folder, tmp_path)
    change(copied, "run.json", adapter="a" * 64, synthetic=True)
    results = json.loads((copied / "results.json").read_bytes())
    results["steps"]["monitor"]["evidence"] = []
    (copied / "results.json").write_text(json.dumps(results))
    assert len(only(copied, step="monitor").synthetic_because) == 5
    action = {"path": "/", "body": "[upstream.`data-layer`, $boolean(inputs)]"}
    modules = json.loads((copied / "modules.json").read_bytes())
    modules["modules"]["monitor"] |= {"adapter": {"health": "none", "actions": {"execute": action}}}
    del modules["modules"]["monitor"]["actions"]
    (copied / "modules.json").write_text(json.dumps(modules))
    assert only(copied, step="monitor").synthetic_because == ("data-layer",)
    (copied / "modules.json").unlink()
    assert len(only(copied, step="monitor").synthetic_because) == 5
