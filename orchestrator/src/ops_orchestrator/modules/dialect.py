"""How we talk to a module: in the contract, or as its adapter declares."""

from typing import Protocol

from ops_orchestrator.exchange import Exchange, Request
from ops_orchestrator.modules.adapted_dialect import AdaptedDialect, AdaptedJob
from ops_orchestrator.modules.answer import Answer, Readiness
from ops_orchestrator.modules.call import Call
from ops_orchestrator.modules.contract_dialect import ContractDialect
from ops_orchestrator.modules.module import Module


class Dialect(Protocol):
    """Turns calls into requests and exchanges into answers; sends nothing itself. What is wrong is a StepError."""

    def health_request(self) -> Request | None:
        """The health check; None when the module has none, and only the step's own call can show that it is ready."""
        ...

    async def read_health(self, exchange: Exchange) -> Readiness:
        """What a health check found; the StepError is retryable when the module may become ready by itself."""
        ...

    async def request(self, call: Call) -> Request:
        """The request of `call`, the same for every attempt."""
        ...

    async def job(self, exchange: Exchange, call: Call) -> AdaptedJob | None:
        """The job that the answer accepts, which is to be asked for until it is done; None when it is the answer itself."""
        ...

    async def read_answer(self, exchange: Exchange, call: Call) -> Answer:
        """The answer of a successful call."""
        ...


def dialect_of(module: Module) -> Dialect:
    """The dialect of `module`."""
    return ContractDialect(module) if module.adapter is None else AdaptedDialect(module, module.adapter)
