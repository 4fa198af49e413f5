"""One call of a module outside of a run, to see what its mapping makes of it."""

import json
import mimetypes
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ops_contract import Problem, ShapeError, SuccessEnvelope, sha256_hex, validate
from ops_orchestrator.errors import Failure, InvalidRequestError, StepError, StoreError
from ops_orchestrator.exchange import Exchange, Request
from ops_orchestrator.masking import masked, masked_url
from ops_orchestrator.modules.adapters.body import decoded
from ops_orchestrator.modules.answer import ReceivedArtifact
from ops_orchestrator.modules.call import Answered, Call
from ops_orchestrator.modules.catalogue import Catalogue
from ops_orchestrator.modules.client import Limits, ModuleClient
from ops_orchestrator.modules.dialect import dialect_of
from ops_orchestrator.planning.planner import steps_of
from ops_orchestrator.planning.scenario import Scenario, merged
from ops_orchestrator.planning.steps import Step
from ops_orchestrator.runs.record import StepResults
from ops_orchestrator.runs.runner import Runner
from ops_orchestrator.runs.store.folder import RunStore, new_run_id
from ops_orchestrator.settings import Settings

_SCENARIO_ID: Final = "trial"


@dataclass(frozen=True)
class Trial:
    """How far a call came; what was not reached is None."""

    call: Call
    request: Request | None = None
    exchange: Exchange | None = None
    envelope: dict[str, Any] | None = None
    failure: Failure | None = None

    def as_json(self) -> dict[str, Any]:
        """Mapped request, raw response, resulting envelope and error, for programs; secrets are masked."""
        step = self.call.step
        return {
            "module": step.module.name,
            "action": step.action,
            "request": self.request and self._request(self.request),
            "response": self.exchange and _response(self.exchange),
            "envelope": self.envelope,
            "error": self.failure and self.failure.as_json(),
        }

    def _request(self, request: Request) -> dict[str, Any]:
        url = masked_url(self.call.step.module.at(request.path))
        told = {"method": request.method, "url": url, "headers": masked(request.headers)}
        return told | ({"body": json.loads(request.body)} if request.body else {})


@dataclass(frozen=True)
class EarlierRun:
    """What a trial takes over from a run: its scenario, and what its steps answered."""

    scenario: Scenario
    upstream: Mapping[str, Answered]


def earlier_run(runs_dir: Path, run_id: str, module: str) -> EarlierRun:
    """The run `run_id` as it was when `module` had its turn: all of it when that was not in it.

    Raises ConfigurationError, NotFoundError, StoreError.
    """
    with closing(RunStore.existing(runs_dir)) as store:
        record, results = store.record(run_id), store.results(run_id)
    turn = next((step for step in record.steps if step.module == module), None)
    upstream = {}
    for step in record.steps:
        if step.id in results.steps and (turn is None or step.step < turn.step):
            raw = _exchange(runs_dir / run_id / "steps" / f"{step.step}-{step.id}")
            upstream[step.id] = _answered(results.steps[step.id], step.module_version, raw)
    try:
        scenario = validate(Scenario, record.request, "request")
    except ShapeError as error:
        raise StoreError(f"{run_id} was not made by this orchestrator: {error}") from error
    own = scenario.modules[turn.step - 1].inputs if turn else {}
    return EarlierRun(scenario.model_copy(update={"inputs": merged(scenario.inputs, own)}), upstream)


def step_of(catalogue: Catalogue, module: str, action: str | None) -> Step:
    """The step that asks `module` for `action`, or for its default. Raises RequestError for what there is not."""
    asked = {"module": module} | ({"action": action} if action else {})
    (step,) = steps_of(Scenario.model_validate({"scenario_id": _SCENARIO_ID, "modules": [asked]}), catalogue)
    return step


def call_of(step: Step, inputs: Mapping[str, Any], earlier: EarlierRun | None, seed: int | None) -> Call:
    """The call of `step`, `inputs` merged over those of the run. Raises InvalidRequestError when it lacks earlier steps."""
    upstream = {key: answered for key, answered in (earlier.upstream if earlier else {}).items() if key != step.id}
    if missing := sorted(step.needs - upstream.keys()):
        used = [f"action {step.action!r} of {step.module.name} uses the answer of a step {name!r}" for name in missing]
        raise InvalidRequestError("Name a run that has these steps with --run.", [Problem("upstream", text) for text in used])
    of_run = earlier.scenario.run_options.seed if earlier else 0
    return Call(
        run_id=new_run_id(),
        scenario_id=earlier.scenario.scenario_id if earlier else _SCENARIO_ID,
        step=step,
        inputs=merged(earlier.scenario.inputs if earlier else {}, inputs),
        seed=of_run if seed is None else seed,
        upstream=upstream,
    )


async def try_call(settings: Settings, call: Call) -> Trial:
    """Make the call once, and say how far it came. Artifacts are checked and dropped."""
    client = ModuleClient(Limits(settings.max_response_bytes, settings.max_artifact_bytes))
    try:
        return await _try(Runner(client, staging=None), call)
    finally:
        await client.aclose()


async def _try(runner: Runner, call: Call) -> Trial:
    dialect = dialect_of(call.step.module)
    try:
        request = await runner.request(dialect, call)
    except StepError as error:
        return Trial(call, failure=error.failure)
    try:
        completed = await runner.attempt(dialect, call, request)
    except StepError as error:
        return Trial(call, request, error.exchange, failure=error.failure)
    return Trial(call, request, completed.exchange, _shown(completed.envelope, completed.artifacts))


def _shown(envelope: SuccessEnvelope, artifacts: tuple[ReceivedArtifact, ...]) -> dict[str, Any]:
    told = envelope.model_dump(mode="json", exclude={"artifacts"}, exclude_none=True)
    return told | {"artifacts": [artifact.ref.model_dump(mode="json") for artifact in artifacts]}


def _response(exchange: Exchange) -> dict[str, Any]:
    body = decoded(exchange)
    if body is None and exchange.response != b"null":
        body = {"size_bytes": len(exchange.response), "sha256": sha256_hex(exchange.response)}
    return {"status": exchange.status, "headers": masked(exchange.headers), "body": body}


def _answered(found: StepResults, version: str | None, raw: Exchange | None) -> Answered:
    envelope = SuccessEnvelope.model_construct(
        status="success",
        module=found.module,
        version=version,
        outputs=found.outputs,
        evidence=found.evidence,
        warnings=found.warnings,
    )
    return Answered(envelope, tuple(artifact.ref for artifact in found.artifacts), raw)


def _exchange(folder: Path) -> Exchange | None:
    """As much of a recorded exchange as shows its raw answer again."""
    for path in folder.glob("response.*"):
        media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        return Exchange(
            method="",
            url="",
            request_headers={},
            request=b"",
            status=200,
            headers={"content-type": media_type},
            response=path.read_bytes(),
        )
    return None
