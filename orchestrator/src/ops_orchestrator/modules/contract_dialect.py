"""How we talk to a module that follows the contract."""

import asyncio
from typing import Final

from ops_contract import CONTRACT_VERSION, ExecuteRequest, UpstreamStep
from ops_orchestrator.exchange import Exchange, Request
from ops_orchestrator.modules.answer import Answer, Readiness
from ops_orchestrator.modules.call import Call, UpstreamAnswer
from ops_orchestrator.modules.contract_answer import read_answer, read_health
from ops_orchestrator.modules.module import Module

_HEALTH: Final = Request(method="GET", path="/health")
_JSON: Final = {"Content-Type": "application/json"}
# Reading a small answer costs less than a thread; a large one would hold up every other run.
_READ_OFF_LOOP_BYTES: Final = 256 * 1024


class ContractDialect:
    """The dialect of a `module` that follows the contract."""

    def __init__(self, module: Module) -> None:
        self._module = module

    def health_request(self) -> Request:
        """`GET /health`."""
        return _HEALTH

    async def read_health(self, exchange: Exchange) -> Readiness:
        """See Dialect."""
        return read_health(exchange, self._module)

    async def request(self, call: Call) -> Request:
        """`POST /execute` with the contract's request."""
        body = ExecuteRequest(
            contract_version=CONTRACT_VERSION,
            run_id=call.run_id,
            step_id=call.step_id,
            scenario_id=call.scenario_id,
            action=call.action,
            inputs=dict(call.inputs),
            upstream={step: _upstream(earlier) for step, earlier in call.upstream.items()},
            options=call.options,
        )
        return Request(method="POST", path="/execute", headers=_JSON, body=body.model_dump_json(exclude_none=True).encode())

    async def read_answer(self, exchange: Exchange, call: Call) -> Answer:  # noqa: ARG002  # the contract's answers stand alone
        """See Dialect."""
        if len(exchange.response) > _READ_OFF_LOOP_BYTES:
            return await asyncio.to_thread(read_answer, exchange, self._module)
        return read_answer(exchange, self._module)


def _upstream(earlier: UpstreamAnswer) -> UpstreamStep:
    envelope = earlier.envelope
    return UpstreamStep(
        module=envelope.module, outputs=envelope.outputs, artifacts=earlier.artifacts, evidence=envelope.evidence
    )
