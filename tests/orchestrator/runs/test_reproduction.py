"""A run that reproduces another one is planned from its record, and graded before its end is written."""

import json
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import pytest
from scripted_module import Answer, ClientFor, Gate, ScriptedModule, demo, error_envelope, success

from ops_orchestrator.errors import ConflictError
from ops_orchestrator.modules.catalogue import Catalogue
from ops_orchestrator.modules.registration import Registration
from ops_orchestrator.planning.scenario import RunOptions, Scenario
from ops_orchestrator.runs.active_run import ActiveRun
from ops_orchestrator.runs.active_runs import ActiveRuns
from ops_orchestrator.runs.events import Origin, Reproduction
from ops_orchestrator.runs.record import RunRecord
from ops_orchestrator.runs.reproduction import recipe_of
from ops_orchestrator.runs.store.folder import FolderStore
from ops_orchestrator.runs.turns import LocalTurns


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FolderStore]:
    with closing(FolderStore.open(tmp_path / "runs")) as store:
        yield store


@pytest.fixture
def alpha() -> ScriptedModule:
    return ScriptedModule("alpha")


@pytest.fixture
async def runs(
    catalogue: Catalogue, store: FolderStore, client_for: ClientFor, alpha: ScriptedModule
) -> AsyncIterator[ActiveRuns]:
    client = client_for(alpha, ScriptedModule("beta"))
    runs = ActiveRuns(Registration(catalogue), store, client, turns=LocalTurns(9, 9), image_digest=None)
    yield runs
    await runs.stop()


async def started(runs: ActiveRuns, scenario: Scenario) -> RunRecord:
    run = await runs.start(scenario)
    await run.wait()
    return run.record


async def reproducing(
    runs: ActiveRuns, store: FolderStore, catalogue: Catalogue, original: str, terms: Reproduction | None = None
) -> ActiveRun:
    terms = terms or Reproduction()
    recipe = recipe_of(store.run(original), catalogue, terms)
    origin = Origin(reproduces=original, reproduction=terms)
    return await runs.start(recipe.scenario, catalogue=recipe.catalogue, origin=origin)


def grown(growth: float) -> Answer:
    return success(outputs={"kpis": {"growth": growth}})


def refused(**error: str) -> Answer:
    return httpx2.Response(422, json=error_envelope(**error))


@pytest.mark.parametrize(
    ("before", "after", "grade"),
    [
        (grown(0.02), grown(0.02), "identical"),
        (grown(0.02), grown(0.0200001), "within tolerance"),
        (grown(0.02), grown(0.021), "different"),
        (grown(0.02), refused(), "missing"),
        (refused(), grown(0.02), "missing"),
        (refused(), refused(), "equal"),
        (refused(), refused(code="OTHER"), "different"),
    ],
)
async def test_run_is_graded_by_its_worst_step(  # noqa: PLR0917  # four fixtures and three values
    runs: ActiveRuns,
    store: FolderStore,
    catalogue: Catalogue,
    alpha: ScriptedModule,
    before: Answer,
    after: Answer,
    grade: str,
) -> None:
    alpha.answers = [before, after]
    original = await started(runs, demo("beta", "alpha"))
    run = await reproducing(runs, store, catalogue, original.run_id, Reproduction(rel=1e-3))
    await run.wait()
    assert run.record.reproduction
    assert (run.record.reproduction.grade, run.record.reproduction.steps) == (grade, {"beta": "identical", "alpha": grade})
    assert store.record(run.record.run_id) == run.record


async def test_grade_stands_in_the_log_and_the_original_stays_as_it_was(
    runs: ActiveRuns, store: FolderStore, catalogue: Catalogue
) -> None:
    options = RunOptions(seed=7, labels={"study": "vat"}, deadline_s=600.0)
    original = await started(runs, demo("alpha", country="DR").model_copy(update={"run_options": options}))
    folder = store.location(original.run_id)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    run = await reproducing(runs, store, catalogue, original.run_id)
    await run.wait()
    assert run.record.request == original.request
    log = [json.loads(line) for line in store.document(run.record.run_id, "logs.jsonl").splitlines()]
    assert log[0]["reproduces"] == original.run_id
    assert log[-1]["reproduction"] == vars_of(run.record.reproduction)
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def vars_of(reproduction: Reproduction | None) -> dict[str, Any]:
    assert reproduction
    return {name: getattr(reproduction, name) for name in ("modules", "offline", "rel", "abs", "grade", "steps", "cause")}


async def test_run_whose_original_is_gone_completes_and_says_so(
    runs: ActiveRuns, store: FolderStore, catalogue: Catalogue, alpha: ScriptedModule
) -> None:
    original = await started(runs, demo("alpha"))
    gate = Gate()
    alpha.answers = [gate]
    run = await reproducing(runs, store, catalogue, original.run_id)
    await gate.asked.wait()
    shutil.rmtree(store.location(original.run_id))
    gate.opened.set()
    await run.wait()
    assert run.record.status == "completed"
    assert run.record.reproduction
    assert run.record.reproduction.grade == "missing"
    assert run.record.reproduction.cause == f"It cannot be compared: There is no run {original.run_id}."


async def test_run_that_is_cancelled_has_no_grade_until_it_is_resumed(
    runs: ActiveRuns, store: FolderStore, catalogue: Catalogue, alpha: ScriptedModule
) -> None:
    original = await started(runs, demo("beta", "alpha"))
    gate = Gate()
    alpha.answers = [gate, success()]
    run = await reproducing(runs, store, catalogue, original.run_id, Reproduction(rel=0.5))
    await gate.asked.wait()
    run.cancel("test")
    await run.wait()
    assert run.record.reproduction == Reproduction(rel=0.5)
    resumed = await runs.resume(run.record.run_id)
    await resumed.wait()
    assert resumed.record.reproduction
    assert (resumed.record.reproduction.grade, resumed.record.reproduction.rel) == ("identical", 0.5)


async def test_grade_of_a_failed_run_is_taken_back_while_it_is_resumed(
    runs: ActiveRuns, store: FolderStore, catalogue: Catalogue, alpha: ScriptedModule
) -> None:
    original = await started(runs, demo("alpha"))
    gate = Gate()
    alpha.answers = [refused(), gate]
    run = await reproducing(runs, store, catalogue, original.run_id)
    await run.wait()
    assert run.record.reproduction
    assert run.record.reproduction.grade == "missing"
    resumed = await runs.resume(run.record.run_id)
    await gate.asked.wait()
    assert resumed.record.reproduction == Reproduction()
    gate.opened.set()
    await resumed.wait()


async def test_mapping_and_deadline_are_those_of_the_record_and_the_address_that_of_today(
    runs: ActiveRuns, store: FolderStore, catalogue: Catalogue, alpha: ScriptedModule
) -> None:
    original = await started(runs, demo("alpha"))
    slower = {name: module.model_copy(update={"timeout_s": 50.0}) for name, module in catalogue.modules.items()}
    run = await reproducing(runs, store, Catalogue(slower), original.run_id)
    await run.wait()
    first, second = (json.loads(request.content) for request in alpha.executed)
    assert first["options"] == second["options"]
    current = await reproducing(runs, store, Catalogue(slower), original.run_id, Reproduction(modules="current"))
    await current.wait()
    assert json.loads(alpha.executed[-1].content)["options"]["deadline_s"] == 49.0


async def test_run_under_way_cannot_be_reproduced(
    runs: ActiveRuns, store: FolderStore, catalogue: Catalogue, alpha: ScriptedModule
) -> None:
    gate = Gate()
    alpha.answers = [gate]
    run = await runs.start(demo("alpha"))
    await gate.asked.wait()
    with pytest.raises(ConflictError, match="is running: only a run that is over can be reproduced"):
        recipe_of(store.run(run.record.run_id), catalogue, Reproduction())
    gate.opened.set()
    await run.wait()


async def test_pins_are_the_recorded_versions(runs: ActiveRuns, store: FolderStore, catalogue: Catalogue) -> None:
    original = await started(runs, demo("alpha", "beta"))
    recipe = recipe_of(store.run(original.run_id), catalogue, Reproduction(), pin=True)
    assert recipe.scenario.run_options.as_json()["pin"] == {"alpha": "1.2.3", "beta": "1.2.3"}
