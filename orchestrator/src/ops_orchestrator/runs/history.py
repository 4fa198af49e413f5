"""A stored run back to what it was made from: the scenario, and the answers of its steps."""

import errno
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass

from ops_contract import ShapeError, validate
from ops_orchestrator.errors import NotFoundError, StoreError
from ops_orchestrator.exchange import Exchange
from ops_orchestrator.modules.call import UpstreamAnswer
from ops_orchestrator.planning.scenario import Scenario, merged
from ops_orchestrator.runs.record import RunRecord, StepRecord, StepResults, artifacts_folder, response_type, step_folder
from ops_orchestrator.runs.store.plain_file import read_all
from ops_orchestrator.runs.store.protocols import RunStore, StoredRun
from ops_orchestrator.runs.synthetic import calls_figures_made_up


@dataclass(frozen=True)
class EarlierRun:
    """A run as it was when one of its steps began: its scenario, with the step's own inputs, and the earlier answers.

    `step` is that step, None when the run does not have it. `bound` has the steps that met its needs, by role, and `earlier`
    the completed ones before it.
    """

    run: StoredRun
    scenario: Scenario
    upstream: Mapping[str, UpstreamAnswer]
    step: StepRecord | None
    bound: Mapping[str, str]
    earlier: tuple[StepRecord, ...]

    def read_artifact(self, step_id: str, name: str, limit: int, /) -> bytes:
        """See ReadArtifact."""
        path = f"{artifacts_folder(step_id)}/{name}"
        try:
            with closing(self.run.open(path)) as opened:
                return read_all(opened.file, path, limit)
        except (NotFoundError, StoreError) as error:
            raise FileNotFoundError(errno.ENOENT, f"{self.run.run_id} did not keep it") from error


def run_before(store: RunStore, run_id: str, module: str, action: str) -> EarlierRun:
    """The run `run_id` as it was before its first step of `module` for `action`; all of it when it has no such step.

    Raises NotFoundError, StoreError.
    """
    record, results = store.record(run_id), store.results(run_id)
    turn = next((step for step in record.steps if (step.module, step.action) == (module, action)), None)
    earlier = [step for step in record.steps if step.id in results.steps and (turn is None or step.step < turn.step)]
    upstream = {step.id: upstream_answer(step, results.steps[step.id], exchange_of(store, run_id, step)) for step in earlier}
    scenario = scenario_of(record)
    own = scenario.modules[turn.step - 1].inputs if turn else {}
    return EarlierRun(
        run=store.run(run_id),
        scenario=scenario.model_copy(update={"inputs": merged(scenario.inputs, own)}),
        upstream=upstream,
        step=turn,
        bound=record.bound_by(turn) if turn else {},
        earlier=tuple(earlier),
    )


def scenario_of(record: RunRecord) -> Scenario:
    """What was asked for. Raises StoreError."""
    try:
        scenario = validate(Scenario, record.request, "request")
    except ShapeError as error:
        raise StoreError(f"{record.run_id} was not made by this orchestrator: {error}") from error
    if len(scenario.modules) != len(record.steps):
        raise StoreError(f"{record.run_id} was not made by this orchestrator: request and steps differ in number")
    return scenario


def upstream_answer(step: StepRecord, results: StepResults, exchange: Exchange | None) -> UpstreamAnswer:
    """What a step answered, for the steps after it; `exchange` when one of them may use the raw answer."""
    return UpstreamAnswer.of(
        module=results.module,
        version=step.module_version,
        outputs=results.outputs,
        evidence=results.evidence,
        artifacts=tuple(artifact.ref for artifact in results.artifacts),
        warnings=results.warnings,
        exchange=exchange,
        synthetic=step.synthetic or calls_figures_made_up(results.evidence),
    )


def exchange_of(store: RunStore, run_id: str, step: StepRecord) -> Exchange | None:
    """As much of a recorded exchange as is needed to read the raw answer again."""
    folder = step_folder(step.step, step.id)
    for name in store.documents(run_id, folder):
        if media_type := response_type(name):
            return Exchange(
                method="",
                url="",
                request_headers={},
                request=b"",
                status=200,
                headers={"content-type": media_type},
                response=store.document(run_id, name),
            )
    return None
