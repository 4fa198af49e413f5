"""One attempt of a call: the request is sent once, the answer judged, its artifacts received."""

from dataclasses import dataclass
from pathlib import Path

from ops_contract import ArtifactRef, SuccessEnvelope
from ops_orchestrator.errors import StepError
from ops_orchestrator.exchange import Exchange, Request
from ops_orchestrator.modules.answer import ReceivedArtifact
from ops_orchestrator.modules.artifacts import receive_all
from ops_orchestrator.modules.call import Call
from ops_orchestrator.modules.client import ModuleClient
from ops_orchestrator.modules.dialect import dialect_of
from ops_orchestrator.modules.module import Module
from ops_orchestrator.modules.time_limit import time_limit


@dataclass(frozen=True)
class Answered:
    """What a successful call gave: the exchange, its envelope, and the artifacts that were received."""

    exchange: Exchange
    envelope: SuccessEnvelope
    artifacts: tuple[ReceivedArtifact, ...]

    @property
    def refs(self) -> tuple[ArtifactRef, ...]:
        """The artifacts without their bytes."""
        return tuple(artifact.ref for artifact in self.artifacts)


async def request_for(call: Call) -> Request:
    """The request of `call`, the same for every attempt. Raises StepError, also when making it exceeds the time-out."""
    async with time_limit(call.module.timeout_s, _timed_out(call.module)):
        return await dialect_of(call.module).request(call)


async def attempt(call: Call, request: Request, client: ModuleClient, staging: Path | None) -> Answered:
    """Send `request` once and read the answer. Raises StepError, with the exchange when a whole answer came back.

    Artifacts are written to new files in the folder `staging`, within the time-out; with None they are checked and dropped.
    """
    module = call.module
    exchange: Exchange | None = None
    try:
        async with time_limit(module.timeout_s, _timed_out(module)):
            exchange = await client.send(module, request)
            answer = await dialect_of(module).read_answer(exchange, call)
            artifacts = await receive_all(answer.sources, call, client, staging)
    except StepError as error:
        raise StepError(error.failure, exchange, unsent=error.unsent) from error
    return Answered(exchange, answer.envelope, artifacts)


def _timed_out(module: Module) -> StepError:
    # Not retryable: a module that is still computing would only be called twice.
    message = (
        f"did not finish within {module.timeout_s:g} s at {module.url}; if it needs longer, raise its timeout_s in modules.yaml"
    )
    return StepError.of(module.name, "MODULE_TIMEOUT", message)
