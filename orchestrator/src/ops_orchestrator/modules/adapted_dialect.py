"""How we talk to a module as its adapter declares. Expressions are evaluated in threads: they may be slow."""

from contextlib import suppress
from typing import Any, Final

from ops_orchestrator.errors import StepError
from ops_orchestrator.exchange import Exchange, Job, Request
from ops_orchestrator.modules.adapters.body import decoded
from ops_orchestrator.modules.adapters.declaration import Adapter
from ops_orchestrator.modules.adapters.envelope import map_answer
from ops_orchestrator.modules.adapters.evaluation import Evaluation
from ops_orchestrator.modules.adapters.job import MappedJob, response_of
from ops_orchestrator.modules.adapters.need import NEEDS
from ops_orchestrator.modules.adapters.request import map_request
from ops_orchestrator.modules.adapters.request_body import Sources
from ops_orchestrator.modules.answer import Answer, Readiness
from ops_orchestrator.modules.call import Call, UpstreamAnswer
from ops_orchestrator.modules.daemon_threads import DaemonThreads
from ops_orchestrator.modules.module import Module

_THREADS: Final = DaemonThreads("mapping")


class AdaptedDialect:
    """The dialect of `module`, as `adapter` declares it."""

    def __init__(self, module: Module, adapter: Adapter) -> None:
        self._module = module
        self._adapter = adapter

    def health_request(self) -> Request | None:
        """The declared health check."""
        check = self._adapter.health
        return Request(method="GET", path=check.path.text, headers={"Accept": "*/*"}, whole=False) if check else None

    async def read_health(self, exchange: Exchange) -> Readiness:
        """See Dialect. The status alone decides; a version that cannot be found in the body is not known."""
        if not 200 <= exchange.status < 300:
            retryable = exchange.may_become_ready
            hint = "" if retryable else "; correct the path under health in modules.yaml, or write health: none"
            message = f"answers {exchange.status} at {exchange.url}{hint}"
            raise StepError.of(self._module.name, "MODULE_NOT_READY", message, retryable=retryable)
        version = self._adapter.health.version if self._adapter.health else None
        if version is None:
            return Readiness()

        def found() -> str | None:
            response = {"status": exchange.status, "headers": dict(exchange.headers), "body": decoded(exchange)}
            return Evaluation(self._module.name, "health", {"response": response}).text("version", version)

        with suppress(StepError):
            return Readiness(await _THREADS.run(found))
        return Readiness()

    async def request(self, call: Call) -> Request:
        """See Dialect."""
        action = self._adapter.actions[call.action]
        sources = Sources(call.read_artifact, self._module.secrets.masked_bytes)
        return await _THREADS.run(lambda: map_request(action, self._evaluation(call), sources))

    async def job(self, exchange: Exchange, call: Call) -> "AdaptedJob | None":
        """See Dialect."""
        action = self._adapter.actions[call.action]
        poll = action.poll
        if poll is None:
            return None
        return AdaptedJob(await _THREADS.run(lambda: MappedJob.of(action, poll, self._evaluation(call), exchange)))

    async def read_answer(self, exchange: Exchange, call: Call) -> Answer:
        """See Dialect."""
        action, root = self._adapter.actions[call.action], self._adapter.artifacts_root
        return await _THREADS.run(lambda: map_answer(action, root, self._evaluation(call, exchange.job), exchange))

    def _evaluation(self, call: Call, job: Job | None = None) -> Evaluation:
        upstream = {step: _upstream(earlier) for step, earlier in call.upstream.items()}
        context = {
            "inputs": call.inputs,
            "scenario_id": call.scenario_id,
            "run_id": call.run_id,
            "step_id": call.step_id,
            "seed": call.seed,
            "options": call.options,
            "upstream": upstream,
            NEEDS: {role: upstream[step] for role, step in call.bound.items() if step in upstream},
            **({"submitted": response_of(job.submitted)} if job else {}),
        }
        return Evaluation(
            self._module.name, call.action, context, secret_headers=self._adapter.secret_headers, url=self._module.url
        )


class AdaptedJob:
    """A job of a module with an adapter."""

    def __init__(self, mapped: MappedJob) -> None:
        self._mapped = mapped
        self.poll = mapped.poll
        self.request = mapped.request
        self.cancel = mapped.cancel

    async def is_done(self, exchange: Exchange) -> bool:
        """Does the answer say that the job is done? Raises the StepError of one that failed."""
        return await _THREADS.run(lambda: self._mapped.is_done(exchange))

    async def result(self, exchange: Exchange) -> Request | None:
        """The request for the result of the job that `exchange` calls done; None when that has it."""
        return await _THREADS.run(lambda: self._mapped.result(exchange))


def _upstream(earlier: UpstreamAnswer) -> dict[str, Any]:
    # The outputs are JSON already, and may be large.
    envelope = earlier.envelope.model_dump(mode="json", exclude={"artifacts", "outputs"}, exclude_none=True)
    artifacts = [ref.model_dump(mode="json") for ref in earlier.artifacts]
    return {**envelope, "outputs": earlier.envelope.outputs, "artifacts": artifacts, "raw": earlier.raw}
