"""How a module is spoken with: the contract, or what its adapter declares."""

from typing import Protocol

from ops_orchestrator.exchange import Exchange, Request
from ops_orchestrator.modules.adapted_dialect import AdaptedDialect
from ops_orchestrator.modules.answer import Answer
from ops_orchestrator.modules.call import Call
from ops_orchestrator.modules.contract_dialect import ContractDialect
from ops_orchestrator.modules.module import Module
from ops_orchestrator.modules.readiness import Readiness


class Dialect(Protocol):
    """Turns calls into requests and answers into envelopes; sends nothing itself. What is wrong is a StepError."""

    def health_request(self) -> Request | None:
        """What a module is asked to see whether it is ready; None when nothing is, and the step's call will show it."""
        ...

    async def read_health(self, exchange: Exchange) -> Readiness:
        """What the module said; the StepError is retryable when it may become ready by itself."""
        ...

    async def request(self, call: Call) -> Request:
        """What is sent for `call`, the same in every attempt."""
        ...

    async def read_answer(self, exchange: Exchange, call: Call) -> Answer:
        """What a call that succeeded found."""
        ...


def dialect_of(module: Module) -> Dialect:
    """The dialect in which `module` is spoken with."""
    return ContractDialect(module) if module.adapter is None else AdaptedDialect(module, module.adapter)
