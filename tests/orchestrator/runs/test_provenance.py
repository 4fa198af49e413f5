import hashlib
from typing import Any

import pytest
from scripted_module import artifact, envelope

from ops_contract import SuccessEnvelope, canonical_json, fingerprint, validate
from ops_orchestrator.modules.catalogue import Catalogue
from ops_orchestrator.planning.planner import plan
from ops_orchestrator.planning.scenario import RunOptions, Scenario
from ops_orchestrator.runs.active_run import Work
from ops_orchestrator.runs.events import Event, ModuleReady
from ops_orchestrator.runs.provenance import manifest, recipe_fingerprint, result_fingerprint, step_fingerprint, versions
from ops_orchestrator.runs.run_state import RunState

EVIDENCE = {"id": "e1", "kind": "dataset", "title": "Census", "observed_at": "2026-01-09T12:34:56Z"}


def found(**fields: Any) -> str:
    answered = validate(SuccessEnvelope, envelope(**fields), "envelope")
    return step_fingerprint(answered, [artifact.ref for artifact in answered.artifacts])


def test_step_fingerprint_is_sha256_over_canonical_json_of_what_was_found() -> None:
    described = artifact("a.txt")
    expected = {"outputs": {"b": 1, "a": 2}, "evidence": [], "artifacts": {"a.txt": described["sha256"]}}
    assert found(outputs={"a": 2, "b": 1}, artifacts=[described]) == hashlib.sha256(canonical_json(expected)).hexdigest()


@pytest.mark.parametrize(
    "volatile",
    [
        {"meta": {"duration_s": 0.3, "host": "a"}},
        {"warnings": ["slow today"]},
        {"evidence": [{**EVIDENCE, "observed_at": "2027-01-01T00:00:00Z"}]},
    ],
)
def test_step_fingerprint_does_not_depend_on_volatile_values(volatile: dict[str, Any]) -> None:
    assert found(evidence=[EVIDENCE]) == found(**{"evidence": [EVIDENCE], **volatile})


@pytest.mark.parametrize(
    "changed",
    [
        {"outputs": {"kpis": {"growth": 0.021}}},
        {"evidence": [{**EVIDENCE, "title": "Survey"}]},
        {"artifacts": [artifact("a.txt", b"other")]},
        {"artifacts": [artifact("b.txt")]},
    ],
)
def test_step_fingerprint_changes_with_each_thing_that_was_found(changed: dict[str, Any]) -> None:
    base = {"evidence": [EVIDENCE], "artifacts": [artifact("a.txt")]}
    assert found(**base) != found(**{**base, **changed})


def test_words_about_an_artifact_do_not_change_the_fingerprint() -> None:
    described = artifact("a.txt", title="Figures", description="One line of them")
    assert found(artifacts=[artifact("a.txt")]) == found(artifacts=[described])


def test_delivery_of_an_artifact_does_not_change_the_fingerprint() -> None:
    assert found(artifacts=[artifact("a.txt")]) == found(artifacts=[artifact("a.txt", href="artifacts/a.txt")])


def test_result_fingerprint_covers_every_step_by_its_id() -> None:
    base = {"alpha": "a" * 64, "beta": "b" * 64}
    assert result_fingerprint(base) == result_fingerprint(dict(reversed(base.items())))
    assert result_fingerprint(base) != result_fingerprint({"alpha": "b" * 64, "beta": "a" * 64})


def recipe(catalogue: Catalogue, version: str = "1.0", **fields: Any) -> str | None:
    """The recipe fingerprint of a run of such a scenario, its modules having said `version`."""
    scenario = Scenario(**{"scenario_id": "demo", "modules": ("alpha",), "inputs": {"a": 1}, **fields})
    work = Work(scenario, plan(scenario, catalogue))
    state = RunState(Event(run_id="run_1", seq=1, what=work.queued({})))
    for seq, step in enumerate(work.plan.steps, start=2):
        ready = ModuleReady(step=step.id, module=step.module.name, module_version=version, contract_versions=(), waited_s=0)
        state.apply(Event(run_id="run_1", seq=seq, what=ready))
    return state.fingerprints("failed").recipe


def test_recipe_is_known_once_every_module_was_reached(catalogue: Catalogue) -> None:
    assert len(recipe(catalogue) or "") == 64


def test_recipe_does_not_depend_on_the_scenario_s_name_or_the_modules_address(catalogue: Catalogue) -> None:
    moved = catalogue.modules["alpha"].model_copy(update={"url": "http://elsewhere:1"})
    assert recipe(catalogue) == recipe(Catalogue({"alpha": moved}), scenario_id="another name")


def test_recipe_depends_neither_on_labels_nor_on_the_deadline(catalogue: Catalogue) -> None:
    found_by = RunOptions(labels={"study": "vat"}, deadline_s=60.0)
    assert recipe(catalogue) == recipe(catalogue, run_options=found_by)


def test_recipe_is_sha256_over_canonical_json_of_its_ingredients() -> None:
    request = {"scenario_id": "demo", "modules": ["alpha"], "inputs": {"a": 1}, "run_options": {"seed": 0}}
    made = {"plan": [{"step": 1}], "inputs": {"a": 1}, "options": {"seed": 0}, "modules": {"alpha": {"version": "1.0"}}}
    assert recipe_fingerprint(request, [{"step": 1}], {"alpha": {"version": "1.0"}}) == fingerprint(made)


@pytest.mark.parametrize(
    "changed",
    [
        {"inputs": {"a": 2}},
        {"run_options": RunOptions(seed=1)},
        {"modules": ("beta",)},
        {"modules": ("alpha", "beta")},
        {"version": "1.1"},
    ],
)
def test_recipe_changes_with_each_ingredient(catalogue: Catalogue, changed: dict[str, Any]) -> None:
    assert recipe(catalogue) != recipe(catalogue, **changed)


def test_recipe_changes_with_the_module_s_image(catalogue: Catalogue) -> None:
    imaged = catalogue.modules["alpha"].model_copy(update={"image_digest": "sha256:" + "0" * 64})
    assert recipe(catalogue) != recipe(Catalogue({"alpha": imaged}))


def test_versions_name_everything_that_executes_a_run() -> None:
    told = versions("sha256:abc")
    assert set(told) == {"orchestrator", "contract", "python", "image_digest"}
    assert (told["contract"], told["image_digest"]) == ("1.0", "sha256:abc")


def test_manifest_has_a_line_per_file_in_the_form_of_sha256sum() -> None:
    assert (
        manifest({"run.json": "b" * 64, "artifacts/a/x y.png": "a" * 64})
        == f"{'a' * 64}  artifacts/a/x y.png\n{'b' * 64}  run.json\n"
    )
