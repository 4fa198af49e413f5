"""How we talk to a module that follows the contract."""

from typing import Any, Final

from pydantic_core import to_json

from ops_contract import CONTRACT_VERSION
from ops_orchestrator.exchange import Exchange, Request
from ops_orchestrator.modules.answer import Answer, Readiness
from ops_orchestrator.modules.call import Call, UpstreamAnswer
from ops_orchestrator.modules.contract_answer import read_answer, read_health
from ops_orchestrator.modules.module import Module
from ops_orchestrator.off_loop import off_loop_if_large

_HEALTH: Final = Request(method="GET", path="/health")
_JSON: Final = {"Content-Type": "application/json"}


class ContractDialect:
    """The dialect of a `module` that follows the contract."""

    def __init__(self, module: Module) -> None:
        self._module = module

    def health_request(self) -> Request:
        """`GET /health`."""
        return _HEALTH

    async def read_health(self, exchange: Exchange) -> Readiness:
        """See Dialect."""
        return await off_loop_if_large(lambda: read_health(exchange, self._module), len(exchange.response))

    async def request(self, call: Call) -> Request:
        """`POST /execute` with the contract's request."""
        size_bytes = sum(earlier.size_bytes for earlier in call.upstream.values())
        body = await off_loop_if_large(lambda: _body(call), size_bytes)
        return Request(method="POST", path="/execute", headers=_JSON, body=body)

    async def job(self, exchange: Exchange, call: Call) -> None:
        """See Dialect. The contract has no jobs: the answer is the result."""

    async def read_answer(self, exchange: Exchange, call: Call) -> Answer:  # noqa: ARG002  # the contract's answers stand alone
        """See Dialect."""
        return await off_loop_if_large(lambda: read_answer(exchange, self._module), len(exchange.response))


def _body(call: Call) -> bytes:
    # Not an ExecuteRequest: to check once more what is known to be right took most of the time.
    request = {
        "contract_version": CONTRACT_VERSION,
        "run_id": call.run_id,
        "step_id": call.step_id,
        "scenario_id": call.scenario_id,
        "action": call.action,
        "inputs": dict(call.inputs),
        "options": call.options,
    }
    # Each answer by itself: other threads wait while the library writes.
    steps = [to_json(step) + b":" + to_json(_upstream(earlier), exclude_none=True) for step, earlier in call.upstream.items()]
    return b'%b,"upstream":{%b}}' % (to_json(request).removesuffix(b"}"), b",".join(steps))


def _upstream(earlier: UpstreamAnswer) -> dict[str, Any]:
    envelope = earlier.envelope
    return {
        "module": envelope.module,
        "outputs": envelope.outputs,
        "artifacts": earlier.artifacts,
        "evidence": envelope.evidence,
    }
