"""One call of a module outside of a run, to see what its mapping makes of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ops_contract import Problem, masked_url, sha256_hex
from ops_orchestrator.errors import Failure, InvalidRequestError, StepError
from ops_orchestrator.exchange import Exchange, Request
from ops_orchestrator.modules.adapters.body import decoded
from ops_orchestrator.modules.adapters.need import Need, latest_by_role
from ops_orchestrator.modules.attempt import Answered, attempt, request_for
from ops_orchestrator.modules.call import Call
from ops_orchestrator.modules.catalogue import Catalogue
from ops_orchestrator.modules.client import ModuleClient
from ops_orchestrator.modules.confidential import masked_headers, secrets_of
from ops_orchestrator.modules.sent_body import shown_body
from ops_orchestrator.planning.planner import steps_of
from ops_orchestrator.planning.scenario import Scenario, merged
from ops_orchestrator.planning.steps import Step
from ops_orchestrator.runs.history import EarlierRun
from ops_orchestrator.runs.job_document import job_document
from ops_orchestrator.runs.run_id import new_run_id
from ops_orchestrator.settings import Settings

_SCENARIO_ID: Final = "trial"


@dataclass(frozen=True)
class Trial:
    """How far a call got; what was not reached is None."""

    call: Call
    request: Request | None = None
    exchange: Exchange | None = None
    envelope: dict[str, Any] | None = None
    failure: Failure | None = None

    def as_json(self) -> dict[str, Any]:
        """Mapped request, raw response, resulting envelope and error, for programs; secrets are masked."""
        return {
            "module": self.call.module.name,
            "action": self.call.action,
            "request": self.request and self._request(self.request),
            "response": self.exchange and _response(self.exchange),
            **({"job": job_document(self.exchange.job)} if self.exchange and self.exchange.job else {}),
            "envelope": self.envelope,
            "error": self.failure and self.failure.as_json(),
        }

    def _request(self, request: Request) -> dict[str, Any]:
        module = self.call.module
        secrets = secrets_of(module, request)
        url = secrets.masked_text(masked_url(module.at(request.path)))
        fields = {"method": request.method, "url": url, "headers": masked_headers(request.headers, module, secrets)}
        return fields | shown_body(secrets.masked_bytes(request.body), request.content_type)


def step_of(catalogue: Catalogue, module: str, action: str | None) -> Step:
    """The step of `module` for `action`, or for its default. Raises RequestError when there is no such module or action."""
    entry = {"module": module} | ({"action": action} if action else {})
    (step,) = steps_of(Scenario.model_validate({"scenario_id": _SCENARIO_ID, "modules": [entry]}), catalogue)
    return step


def call_of(step: Step, inputs: Mapping[str, Any], earlier: EarlierRun | None, seed: int | None) -> Call:
    """The call of `step`, `inputs` merged over those of the run. Raises InvalidRequestError when it lacks earlier steps."""
    seed_of_run = earlier.scenario.run_options.seed if earlier else 0
    call = Call(
        run_id=new_run_id(),
        scenario_id=earlier.scenario.scenario_id if earlier else _SCENARIO_ID,
        step_id=earlier.step.id if earlier and earlier.step else step.id,
        module=step.module,
        action=step.action,
        inputs=merged(earlier.scenario.inputs if earlier else {}, inputs),
        seed=seed_of_run if seed is None else seed,
        upstream=earlier.upstream if earlier else {},
        bound=bound_in(earlier, step.module.needs(step.action)) if earlier else {},
        read_artifact=earlier.read_artifact if earlier else None,
    )
    if call.missing_upstream:
        uses = f"action {step.action!r} of {step.module.name} uses the answer of"
        problems = [Problem("upstream", f"{uses} {missing}") for missing in call.missing_upstream]
        raise InvalidRequestError("Name a run that has these steps with --run.", problems)
    return call


def bound_in(earlier: EarlierRun, needs: Mapping[str, Need]) -> dict[str, str]:
    """The steps of a run that meet `needs`, by role: those that met them then, else the latest that fit."""
    latest = latest_by_role(needs, ((step.id, step.module, step.action) for step in earlier.earlier))
    return latest | {role: step for role, step in earlier.bound.items() if role in needs and step in earlier.upstream}


async def try_call(settings: Settings, call: Call) -> Trial:
    """Make the call once, and say how far it got. Artifacts are checked and dropped."""
    client = ModuleClient(settings.limits)
    try:
        return await _try(client, call)
    finally:
        await client.aclose()


async def _try(client: ModuleClient, call: Call) -> Trial:
    try:
        request = await request_for(call)
    except StepError as error:
        return Trial(call, failure=error.failure)
    try:
        answered = await attempt(call, request, client, staging=None)
    except StepError as error:
        return Trial(call, request, error.exchange, failure=error.failure)
    return Trial(call, request, answered.exchange, _envelope(answered))


def _envelope(answered: Answered) -> dict[str, Any]:
    fields = answered.envelope.model_dump(mode="json", exclude={"artifacts"}, exclude_none=True)
    return fields | {"artifacts": [ref.model_dump(mode="json") for ref in answered.refs]}


def _response(exchange: Exchange) -> dict[str, Any]:
    body = decoded(exchange)
    if body is None and exchange.response != b"null":
        body = {"size_bytes": len(exchange.response), "sha256": sha256_hex(exchange.response)}
    return {"status": exchange.status, "headers": dict(exchange.headers), "body": body}
