"""One attempt of a call: the request is sent once, the answer judged, its artifacts received."""

import math
from dataclasses import dataclass
from pathlib import Path

from ops_contract import ArtifactRef, SuccessEnvelope
from ops_orchestrator.errors import StepError
from ops_orchestrator.exchange import Exchange, Request
from ops_orchestrator.masking import Secrets
from ops_orchestrator.modules.answer import Answer, InlineFile, ReceivedArtifact, shortened_version, shortened_warnings
from ops_orchestrator.modules.artifacts import receive_all
from ops_orchestrator.modules.call import Call, UpstreamAnswer
from ops_orchestrator.modules.client import ModuleClient
from ops_orchestrator.modules.confidential import (
    masked_artifacts,
    masked_envelope,
    masked_errors,
    masked_exchange,
    masked_failure,
    refuse_secret_names,
    secrets_of,
)
from ops_orchestrator.modules.dialect import dialect_of
from ops_orchestrator.modules.module import Module
from ops_orchestrator.modules.polling import Polling
from ops_orchestrator.modules.time_limit import StepTime, attempt_limit
from ops_orchestrator.off_loop import off_loop_if_large


@dataclass(frozen=True)
class Answered:
    """What a successful call gave: the exchange, its envelope without artifacts, and these as they were received.

    Secrets are masked, but for the bytes of artifacts, whose digest is their module's. `size_bytes` is about what
    the envelope takes as JSON, infinite when it is not known.
    """

    exchange: Exchange
    envelope: SuccessEnvelope
    artifacts: tuple[ReceivedArtifact, ...]
    size_bytes: float

    @property
    def refs(self) -> tuple[ArtifactRef, ...]:
        """The artifacts without their bytes."""
        return tuple(artifact.ref for artifact in self.artifacts)

    def as_upstream(self, *, keep_exchange: bool, synthetic: bool = False) -> UpstreamAnswer:
        """The answer for later steps; with its exchange when one of them may use the raw answer.

        `synthetic` as in UpstreamAnswer.
        """
        exchange = self.exchange if keep_exchange else None
        return UpstreamAnswer(self.envelope, self.refs, exchange, self.size_bytes, synthetic)


async def request_for(call: Call, step: StepTime | None = None) -> Request:
    """The request of `call`, the same for every attempt.

    Raises StepError, also when making it exceeds the time-out or what is left of the time of its `step`.
    """
    with masked_errors(call.module.secrets):
        async with attempt_limit(call.module, step):
            return await dialect_of(call.module).request(call)


async def attempt(
    call: Call, request: Request, client: ModuleClient, staging: Path | None, step: StepTime | None = None
) -> Answered:
    """Send `request` once and read the answer; of a job, ask for it until it is done, and read the last answer.

    It begins when the module has no more calls in flight than it may, see CallsInFlight; the time-out counts from there.
    Raises StepError, with the exchange when a whole answer came back. The answer is judged as it came; what is returned or
    raised has its secrets masked. Artifacts are received within the time-out and what is left of the time of the `step`,
    fetched ones in new files in the folder `staging`; with None they are checked and dropped.
    """
    async with client.calls.turn(call.module, step):
        if step is not None:
            step.begin_attempt()
        return await _attempt(call, request, client.with_headers(call.headers), staging, step)


async def _attempt(call: Call, request: Request, client: ModuleClient, staging: Path | None, step: StepTime | None) -> Answered:
    module = call.module
    secrets = secrets_of(module, request)
    exchange: Exchange | None = None
    polling: Polling | None = None
    try:
        async with attempt_limit(module, step):
            exchange = await client.send(module, request)
            job = await dialect_of(module).job(exchange, call)
            if job is None:
                return await _answered(exchange, call, client, secrets, staging)
        secrets |= secrets_of(module, job.request)
        polling = Polling(job, module, client, exchange, step)
        await polling.until_done()
        async with attempt_limit(module, step):
            return await _answered(polling.exchange, call, client, secrets, staging)
    except StepError as error:
        last = polling.exchange if polling else exchange
        failed = last and await _kept(last, module, secrets)
        failure = masked_failure(error.failure, secrets).shortened()
        # The original error may show a secret.
        raise StepError(failure, failed, unsent=error.unsent) from (None if secrets else error)


async def _answered(exchange: Exchange, call: Call, client: ModuleClient, secrets: Secrets, staging: Path | None) -> Answered:
    module = call.module
    answer = await dialect_of(module).read_answer(exchange, call)
    refuse_secret_names(answer, module, secrets)
    searched = len(exchange.response) if secrets else 0
    envelope = await off_loop_if_large(lambda: masked_envelope(answer.envelope, secrets), searched)
    kept = await _kept(exchange, module, secrets)
    artifacts = masked_artifacts(await receive_all(answer.sources, call, client, staging), module, secrets)
    # The artifacts as they came, most of them in base64, need not stay in memory.
    changes = {
        "artifacts": (),
        "warnings": shortened_warnings(envelope.warnings),
        "version": shortened_version(envelope.version),
    }
    return Answered(kept, envelope.model_copy(update=changes), artifacts, _size_bytes(exchange, answer, module))


async def _kept(exchange: Exchange, module: Module, secrets: Secrets) -> Exchange:
    searched = len(exchange.request) + len(exchange.response) if secrets else 0
    return await off_loop_if_large(lambda: masked_exchange(exchange.as_one, module, secrets), searched)


def _size_bytes(exchange: Exchange, answer: Answer, module: Module) -> float:
    """About what the envelope takes as JSON without its artifacts; not known of what expressions make of an answer."""
    if module.adapter is not None:
        return math.inf
    return len(exchange.response) - sum(len(source.content) for source in answer.sources if isinstance(source, InlineFile))
