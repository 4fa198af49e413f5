"""Interprets a plan: calls its modules one after another and yields what happens. Knows no consumer, keeps nothing."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ops_contract import CONTRACT_VERSION, ExecuteRequest, Health, NumberError, Options, SuccessEnvelope, UpstreamStep
from ops_orchestrator.answer import read_answer, read_health
from ops_orchestrator.errors import StepError
from ops_orchestrator.events import AttemptFailed, Event, ModuleReady, RunEnded, StepCompleted, StepFailed, StepStarted
from ops_orchestrator.exchange import Exchange, ReceivedArtifact
from ops_orchestrator.module import Module
from ops_orchestrator.module_client import ModuleClient
from ops_orchestrator.plan import Plan, Step
from ops_orchestrator.provenance import step_fingerprint
from ops_orchestrator.scenario import Scenario, merged

HEALTH_TIMEOUT_S: Final = 5.0
"""Seconds that one health check may take; a module answers within one (OPS-HLT-004)."""

_SHORTEST_CHECK_S: Final = 1.0
_FIRST_POLL_S: Final = 0.05
_LAST_POLL_S: Final = 1.0
_LONGEST_BACKOFF_S: Final = 30.0
# Reading a small answer costs less than a thread; a large one would hold up every other run.
_READ_OFF_LOOP_BYTES: Final = 256 * 1024


@dataclass(frozen=True)
class Runner:
    """Executes plans with `client`. Artifacts that are fetched land in `staging`; None checks and drops them."""

    client: ModuleClient
    staging: Path | None

    async def execute(self, run_id: str, scenario: Scenario, plan: Plan) -> AsyncGenerator[Event]:
        """Call the plan's modules in order and yield events, RunEnded last. A failed step ends the plan."""
        upstream: dict[str, UpstreamStep] = {}
        for step in plan.steps:
            async with aclosing(self._step(step, _request(run_id, scenario, step, upstream))) as events:
                async for event in events:
                    yield event
                    if isinstance(event, StepFailed):
                        yield RunEnded(status="failed", error=event.failure.as_json())
                        return
                    if isinstance(event, StepCompleted):
                        upstream[step.id] = _upstream(event.envelope)
        yield RunEnded(status="completed")

    async def _step(self, step: Step, request: bytes) -> AsyncGenerator[Event]:
        yield StepStarted(step=step)
        attempt = 0
        try:
            health, waited_s = await wait_until_ready(self.client, step.module)
            yield ModuleReady(step=step, health=health, waited_s=waited_s)
            while True:
                attempt += 1
                try:
                    answer = await self._attempt(step.module, request)
                    break
                except StepError as error:
                    if not error.failure.retryable or attempt > step.module.retries:
                        raise
                    retry_in_s = _backoff(step.module, attempt, error.exchange)
                    yield AttemptFailed(step=step, attempt=attempt, failure=error.failure, retry_in_s=retry_in_s)
                    await asyncio.sleep(retry_in_s)
        except StepError as error:
            failure = replace(error.failure, step=step.id)
            yield StepFailed(step=step, attempts=attempt, failure=failure, exchange=error.exchange)
            return
        yield StepCompleted(
            step=step,
            attempts=attempt,
            exchange=answer.exchange,
            envelope=answer.envelope,
            artifacts=answer.artifacts,
            fingerprint=answer.fingerprint,
        )

    async def _attempt(self, module: Module, request: bytes) -> "_Answer":
        exchange: Exchange | None = None
        artifacts: list[ReceivedArtifact] = []
        try:
            async with _within(module.timeout_s, _timed_out(module)):
                exchange = await self.client.execute(module, request)
                envelope, fingerprint = await _read(exchange, module)
                for artifact in envelope.artifacts:
                    artifacts.append(await self.client.receive(module, artifact, self.staging))  # noqa: PERF401  # kept for below
        except StepError as error:
            # What an attempt fetched is of no use to the next, and could be large.
            await asyncio.to_thread(_discard, artifacts)
            raise StepError(error.failure, exchange) from error
        return _Answer(exchange, envelope, tuple(artifacts), fingerprint)


def _discard(artifacts: list[ReceivedArtifact]) -> None:
    for artifact in artifacts:
        if isinstance(artifact.content, Path):
            artifact.content.unlink(missing_ok=True)


@dataclass(frozen=True)
class _Answer:
    exchange: Exchange
    envelope: SuccessEnvelope
    artifacts: tuple[ReceivedArtifact, ...]
    fingerprint: str


async def wait_until_ready(client: ModuleClient, module: Module) -> tuple[Health, float]:
    """Poll the module's health until it is ready; returns it and the seconds waited.

    Raises StepError when the answer cannot become right by waiting, or after `ready_timeout_s`.
    """
    started = time.monotonic()
    pause = _FIRST_POLL_S
    while True:
        left_s = module.ready_timeout_s - (time.monotonic() - started)
        try:
            health = await check_health(client, module, min(HEALTH_TIMEOUT_S, max(left_s, _SHORTEST_CHECK_S)))
            return health, time.monotonic() - started
        except StepError as error:
            if not error.failure.retryable:
                raise
            if time.monotonic() - started + pause > module.ready_timeout_s:
                message = (
                    f"was not ready within {module.ready_timeout_s:g} s: {error.failure.message}; "
                    "see that it runs and that its url in modules.yaml is right"
                )
                raise StepError.of(module.name, "MODULE_NOT_READY", message) from error
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LAST_POLL_S)


async def check_health(client: ModuleClient, module: Module, timeout_s: float = HEALTH_TIMEOUT_S) -> Health:
    """Ask the module for its health once. Raises StepError, retryable when asking again may help."""
    message = f"did not answer {module.at('/health')} within {timeout_s:.2g} s"
    # A module that is slow to answer while it starts is waited for like one that does not answer yet.
    async with _within(timeout_s, StepError.of(module.name, "MODULE_TIMEOUT", message, retryable=True)):
        return read_health(await client.health(module), module)


@asynccontextmanager
async def _within(seconds: float, otherwise: StepError) -> AsyncIterator[None]:
    """A bound on the whole block, which ends with `otherwise` when it takes longer."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise otherwise from error


def _timed_out(module: Module) -> StepError:
    # Not retryable: a module that is still computing would only be asked twice.
    message = (
        f"did not finish within {module.timeout_s:g} s at {module.url}; if it needs longer, raise its timeout_s in modules.yaml"
    )
    return StepError.of(module.name, "MODULE_TIMEOUT", message)


def _request(run_id: str, scenario: Scenario, step: Step, upstream: dict[str, UpstreamStep]) -> bytes:
    request = ExecuteRequest(
        contract_version=CONTRACT_VERSION,
        run_id=run_id,
        step_id=step.id,
        scenario_id=scenario.scenario_id,
        action=step.action,
        inputs=merged(scenario.inputs, step.inputs),
        upstream=upstream,
        options=Options(seed=scenario.run_options.seed, deadline_s=_deadline_s(step.module)),
    )
    return request.model_dump_json(exclude_none=True).encode()


def _deadline_s(module: Module) -> float:
    """Seconds the module is given: less than we wait, by the second in which it says that it was too slow (OPS-LIM-002)."""
    return max(module.timeout_s - 1.0, module.timeout_s / 2)


def _upstream(envelope: SuccessEnvelope) -> UpstreamStep:
    return UpstreamStep(
        module=envelope.module,
        outputs=envelope.outputs,
        artifacts=tuple(artifact.ref for artifact in envelope.artifacts),
        evidence=envelope.evidence,
    )


async def _read(exchange: Exchange, module: Module) -> tuple[SuccessEnvelope, str]:
    if len(exchange.response) > _READ_OFF_LOOP_BYTES:
        return await asyncio.to_thread(_envelope_and_fingerprint, exchange, module)
    return _envelope_and_fingerprint(exchange, module)


def _envelope_and_fingerprint(exchange: Exchange, module: Module) -> tuple[SuccessEnvelope, str]:
    envelope = read_answer(exchange, module)
    try:
        return envelope, step_fingerprint(envelope)
    except NumberError as error:
        message = f"answers a number that cannot be kept exactly: {error}"
        raise StepError.of(module.name, "INVALID_ANSWER", message, requirement="OPS-EXE-004") from error


def _backoff(module: Module, attempt: int, exchange: Exchange | None) -> float:
    """Seconds before the next attempt: doubling with jitter, and not before the module's own Retry-After."""
    doubled = module.backoff_s * 2.0 ** min(attempt - 1, 10) * random.uniform(0.8, 1.2)  # noqa: S311  # spreads load, hides nothing
    asked = exchange.headers.get("retry-after", "") if exchange else ""
    return min(max(doubled, float(asked) if asked.isdecimal() else 0.0), _LONGEST_BACKOFF_S)
