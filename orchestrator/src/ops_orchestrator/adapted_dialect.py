"""How a module is spoken with as its adapter declares. Expressions are evaluated off the event loop: they may be slow."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from ops_orchestrator.adapters.body import decoded
from ops_orchestrator.adapters.declaration import Adapter
from ops_orchestrator.adapters.envelope import map_answer
from ops_orchestrator.adapters.evaluation import Evaluation
from ops_orchestrator.adapters.request import map_request
from ops_orchestrator.answer import Answer
from ops_orchestrator.call import Answered, Call
from ops_orchestrator.errors import StepError
from ops_orchestrator.exchange import RETRYABLE_STATUS, Exchange, Request
from ops_orchestrator.module import Module
from ops_orchestrator.readiness import Readiness

Result = TypeVar("Result")

# Threads of their own: expressions that run into their bound must not hold up the writing of other runs.
_THREADS: Final = ThreadPoolExecutor(max_workers=4, thread_name_prefix="mapping")
_IS_IT_THERE: Final = Request(method="HEAD", path="/")


class AdaptedDialect:
    """What `module` speaks according to `adapter`."""

    def __init__(self, module: Module, adapter: Adapter) -> None:
        self._module = module
        self._adapter = adapter

    def health_request(self) -> Request:
        """The declared health check; without one any answer at all shows that the module is there."""
        if self._adapter.health is None:
            return _IS_IT_THERE
        return Request(method="GET", path=self._adapter.health.path.text, headers={"Accept": "*/*"})

    async def read_health(self, exchange: Exchange) -> Readiness:
        """See Dialect."""
        if self._adapter.health is None:
            return Readiness()
        if not 200 <= exchange.status < 300:
            retryable = exchange.status >= 500 or exchange.status in RETRYABLE_STATUS
            hint = "" if retryable else "; correct the path under health in modules.yaml, or write health: none"
            message = f"answers {exchange.status} at {exchange.url}{hint}"
            raise StepError.of(self._module.name, "MODULE_NOT_READY", message, retryable=retryable)
        response = {"status": exchange.status, "headers": dict(exchange.headers), "body": decoded(exchange)}
        evaluation = Evaluation(self._module.name, "health", {"response": response})
        version = self._adapter.health.version
        return Readiness(await _aside(lambda: evaluation.text("version", version)))

    async def request(self, call: Call) -> Request:
        """See Dialect."""
        action = self._adapter.actions[call.step.action]
        return await _aside(lambda: map_request(action, self._evaluation(call)))

    async def read_answer(self, exchange: Exchange, call: Call) -> Answer:
        """See Dialect."""
        action, root = self._adapter.actions[call.step.action], self._adapter.artifacts_root
        return await _aside(lambda: map_answer(action, root, self._evaluation(call), exchange))

    def _evaluation(self, call: Call) -> Evaluation:
        context = {
            "inputs": call.inputs,
            "scenario_id": call.scenario_id,
            "run_id": call.run_id,
            "step_id": call.step.id,
            "seed": call.seed,
            "options": call.options.model_dump(mode="json", exclude_none=True),
            "upstream": {step: _upstream(answered) for step, answered in call.upstream.items()},
        }
        return Evaluation(self._module.name, call.step.action, context)


async def _aside(work: Callable[[], Result]) -> Result:
    return await asyncio.get_running_loop().run_in_executor(_THREADS, work)


def _upstream(answered: Answered) -> dict[str, Any]:
    envelope = answered.envelope.model_dump(mode="json", exclude={"artifacts"}, exclude_none=True)
    artifacts = [ref.model_dump(mode="json") for ref in answered.artifacts]
    return {**envelope, "artifacts": artifacts, "raw": answered.raw}
