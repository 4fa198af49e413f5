"""A run that reproduces another one: what it is planned from, and how its results are graded."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from ops_contract import JsonError, ShapeError
from ops_orchestrator.errors import ConflictError, DamagedRunError, NotFoundError, StoreError
from ops_orchestrator.excerpt import excerpt
from ops_orchestrator.modules.catalogue import Catalogue
from ops_orchestrator.modules.frozen_modules import recorded_modules, restore_modules
from ops_orchestrator.modules.limits import Limits
from ops_orchestrator.planning.pins import ModulePin
from ops_orchestrator.planning.scenario import Scenario
from ops_orchestrator.planning.steps import Plan
from ops_orchestrator.runs.archive.damage import Damage, damage_of
from ops_orchestrator.runs.comparison.diff import diff_runs
from ops_orchestrator.runs.comparison.grades import Grade, Tolerance, Tolerances, worst
from ops_orchestrator.runs.comparison.steps import StepDiff
from ops_orchestrator.runs.events import Reproduction
from ops_orchestrator.runs.history import scenario_of
from ops_orchestrator.runs.record import MODULES, RECORD, RESULTS, Results, RunRecord, StepRecord
from ops_orchestrator.runs.recorded_modules import NOT_RECORDED, RecordedModules
from ops_orchestrator.runs.store.plain_file import OpenFile
from ops_orchestrator.runs.store.protocols import RunStore, StoredRun

_MOST_CHARACTERS: Final = 2_000
# What of a step's error does not depend on when and where it happened.
_LASTING: Final = ("code", "requirement", "module_error")


@dataclass(frozen=True)
class Recipe:
    """What a run is planned from that reproduces another one."""

    scenario: Scenario
    catalogue: Catalogue


def recipe_of(original: StoredRun, registered: Catalogue, terms: Reproduction, *, pin: bool = False) -> Recipe:
    """The recipe of a recorded run, its labels and its deadline included; with `pin`, its modules must be the recorded ones.

    `registered` are the modules of today, from which addresses and secrets are taken unless the run is `offline`. Blocking.
    Raises NotFoundError, ConflictError, ChangedModuleError, DamagedRunError, StoreError.
    """
    record = original.record()
    if not record.is_over:
        raise ConflictError(f"{record.run_id} is {record.status}: only a run that is over can be reproduced; wait for it.")
    _check_results(original)
    try:
        scenario = scenario_of(record)
    except StoreError as error:
        raise DamagedRunError(original.location, RECORD, str(error)) from error
    if pin:
        options = scenario.run_options
        pinned = options.model_copy(update={"pin": {**options.pin, **_pins(record)}})
        scenario = scenario.model_copy(update={"run_options": pinned})
    return Recipe(scenario, _catalogue(original, registered, terms))


def _check_results(original: StoredRun) -> None:
    """Raise DamagedRunError when there is nothing to grade a run by: before any module is called."""
    try:
        original.results()
    except NotFoundError as error:
        raise DamagedRunError(original.location, RESULTS, "the file is missing") from error


def _catalogue(original: StoredRun, registered: Catalogue, terms: Reproduction) -> Catalogue:
    if terms.modules == "current":
        return registered
    try:
        content = original.document(MODULES)
    except NotFoundError as error:
        raise ConflictError(
            f"{original.run_id} has no {MODULES}, since version 0.1.0 made it: how its modules were called is not known. "
            "Reproduce it with the modules of today (--current-modules)."
        ) from error
    try:
        return recorded_modules(content) if terms.offline else restore_modules(content, registered)
    except (JsonError, ShapeError) as error:
        raise DamagedRunError(original.location, MODULES, str(error)) from error


def _pins(record: RunRecord) -> Mapping[str, ModulePin]:
    """What the modules of a run were, as far as it is known. Raises ConflictError when one changed during the run."""
    pins: dict[str, ModulePin] = {}
    for step in record.steps:
        if step.module_version is None and step.image_digest is None:
            continue
        pin = ModulePin(version=step.module_version, image_digest=step.image_digest)
        if pins.setdefault(step.module, pin) != pin:
            raise ConflictError(
                f"{record.run_id} called {step.module} in more than one version, so that none can be pinned; "
                "reproduce it without a pin."
            )
    return pins


@dataclass(frozen=True)
class Original:
    """A run that one in `store` reproduces."""

    run: StoredRun
    store: RunStore

    def modules(self, plan: Plan, run_id: str, limits: Limits) -> RecordedModules:
        """What answers for its modules to the run `run_id`, which has the same `plan`. Blocking.

        Raises NotFoundError, StoreError.
        """
        return RecordedModules.of(self.run, plan, run_id, limits)

    def judged(self, record: RunRecord, results: Results, terms: Reproduction) -> Reproduction:
        """`terms` with the grade of the run that is about to end with `record` and `results`. Blocking.

        An original that is gone, or that cannot be read, makes the grade `missing`; that it is damaged is said first.
        """
        made = _EndingRun(self.store.run(record.run_id), record, results)
        tolerances = Tolerances(Tolerance(terms.rel, terms.abs))
        try:
            before = self.run.record()
            found = diff_runs(self.run, made, tolerances)
            damage = damage_of(self.run)
        except (NotFoundError, StoreError) as error:
            return replace(terms, grade="missing", cause=excerpt(f"It cannot be compared: {error}", _MOST_CHARACTERS))
        steps = _graded(found.steps, before, record)
        cause = f"{_damaged(damage)} {found.cause}" if damage else found.cause
        return replace(terms, grade=worst(steps.values()), steps=steps, cause=excerpt(cause, _MOST_CHARACTERS))


@dataclass(frozen=True)
class _EndingRun:
    """A run whose end is not written yet: record and results as they will be, and its files, which are. See StoredRun."""

    stored: StoredRun
    ended: RunRecord
    found: Results

    @property
    def run_id(self) -> str:
        return self.ended.run_id

    @property
    def location(self) -> Path:
        return self.stored.location

    def record(self) -> RunRecord:
        return self.ended

    def results(self) -> Results:
        return self.found

    def document(self, name: str) -> bytes:
        return self.stored.document(name)

    def files(self) -> list[str]:
        return self.stored.files()

    def open(self, name: str) -> OpenFile:
        return self.stored.open(name)


def _damaged(damage: Damage) -> str:
    return f"The record of A is damaged, {damage}; `ops runs verify` shows all that is wrong with it."


def _graded(steps: tuple[StepDiff, ...], before: RunRecord, after: RunRecord) -> dict[str, Grade]:
    """The grades by step; those that neither run came to are left out."""
    first, second = ({step.id: step for step in record.steps} for record in (before, after))
    found = {step.id: _grade(step, first.get(step.id), second.get(step.id)) for step in steps}
    return {step: grade for step, grade in found.items() if grade is not None}


def _grade(step: StepDiff, before: StepRecord | None, after: StepRecord | None) -> Grade | None:
    """A run that failed is reproduced when it fails in the same way, and cannot be where no answer to the step is recorded."""
    if step.grade != "missing" or before is None or after is None:
        return step.grade
    match before.status, after.status:
        case "failed", "failed":
            found = _failure(after)
            if found["code"] == NOT_RECORDED:
                return "missing"
            return "equal" if _failure(before) == found else "different"
        case "pending", "pending":
            return None
        case _:
            return "missing"


def _failure(step: StepRecord) -> dict[str, Any]:
    return {name: (step.error or {}).get(name) for name in _LASTING}
