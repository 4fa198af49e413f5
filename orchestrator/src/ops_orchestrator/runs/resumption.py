"""How a run that is over goes on: what is left of its plan, and where the files of earlier attempts go."""

from dataclasses import replace

from ops_contract import JsonError, ShapeError
from ops_orchestrator.errors import DamagedRunError, StoreError
from ops_orchestrator.modules.catalogue import Catalogue
from ops_orchestrator.modules.frozen_modules import restore_modules
from ops_orchestrator.planning.planner import plan
from ops_orchestrator.runs.active_run import Work
from ops_orchestrator.runs.history import exchange_of, scenario_of, upstream_answer
from ops_orchestrator.runs.record import LOGS, MODULES, step_folder
from ops_orchestrator.runs.reproduction import Original
from ops_orchestrator.runs.run_file import FileRef
from ops_orchestrator.runs.run_state import RunState
from ops_orchestrator.runs.runner import Earlier
from ops_orchestrator.runs.store.protocols import Reopened, RunStore


def work_left(store: RunStore, reopened: Reopened, catalogue: Catalogue) -> Work:
    """What is left to do of a run. Blocking. Raises RequestError, StoreError."""
    record = reopened.state.record
    folder = store.run(record.run_id).location
    try:
        scenario = scenario_of(record)
    except StoreError as error:
        raise DamagedRunError(folder, LOGS, str(error)) from error
    try:
        modules = restore_modules(reopened.modules, catalogue)
    except (JsonError, ShapeError) as error:
        raise DamagedRunError(folder, MODULES, str(error)) from error
    upstream = {
        step.id: upstream_answer(step, reopened.results[step.id], exchange_of(store, record.run_id, step))
        for step in record.steps
        if step.id in reopened.results
    }
    attempts = {step.id: step.attempts for step in record.steps}
    return Work(
        scenario,
        plan(scenario, modules),
        earlier=Earlier(upstream, attempts),
        attempt=record.attempt + 1,
        original=Original(store.run(record.reproduces), store) if record.reproduces else None,
    )


def files_to_move(state: RunState) -> tuple[FileRef, ...]:
    """The files of the last attempt of steps that are tried again, where they are when the run has gone on."""
    moved = []
    for step in state.record.steps:
        if step.status == "completed":
            continue
        folder = step_folder(step.step, step.id)
        for path, file in state.files.items():
            above, _, name = path.rpartition("/")
            if above == folder:
                moved.append(replace(file, path=f"{folder}/attempts/{step.attempts}/{name}"))
    return tuple(moved)
