"""Interprets a plan: calls its modules one after another and yields what happens. Knows no consumer, keeps nothing."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ops_contract import NumberError, SuccessEnvelope
from ops_orchestrator.errors import StepError
from ops_orchestrator.exchange import Exchange, Request
from ops_orchestrator.modules.answer import ReceivedArtifact
from ops_orchestrator.modules.artifacts import receive
from ops_orchestrator.modules.call import Answered, Call
from ops_orchestrator.modules.client import ModuleClient
from ops_orchestrator.modules.dialect import Dialect, dialect_of
from ops_orchestrator.modules.module import Module
from ops_orchestrator.modules.readiness import Readiness
from ops_orchestrator.planning.scenario import Scenario, merged
from ops_orchestrator.planning.steps import Plan, Step
from ops_orchestrator.runs.events import AttemptFailed, Event, ModuleReady, RunEnded, StepCompleted, StepFailed, StepStarted
from ops_orchestrator.runs.provenance import step_fingerprint

HEALTH_TIMEOUT_S: Final = 5.0
"""Seconds that one health check may take; a module answers within one (OPS-HLT-004)."""

_SHORTEST_CHECK_S: Final = 1.0
_FIRST_POLL_S: Final = 0.05
_LAST_POLL_S: Final = 1.0
_LONGEST_BACKOFF_S: Final = 30.0
# Hashing a small answer costs less than a thread; a large one would hold up every other run.
_HASH_OFF_LOOP_BYTES: Final = 256 * 1024


@dataclass(frozen=True)
class Runner:
    """Executes plans with `client`. Artifacts that are fetched land in `staging`; None checks and drops them."""

    client: ModuleClient
    staging: Path | None

    async def execute(self, run_id: str, scenario: Scenario, plan: Plan) -> AsyncGenerator[Event]:
        """Call the plan's modules in order and yield events, RunEnded last. A failed step ends the plan."""
        upstream: dict[str, Answered] = {}
        last_adapted = max((step.number for step in plan.steps if step.module.adapter), default=0)
        for step in plan.steps:
            call = _call(run_id, scenario, step, upstream)
            async with aclosing(self._step(call)) as events:
                async for event in events:
                    yield event
                    if isinstance(event, StepFailed):
                        yield RunEnded(status="failed", error=event.failure.as_json())
                        return
                    if isinstance(event, StepCompleted):
                        refs = tuple(artifact.ref for artifact in event.artifacts)
                        raw = event.exchange if step.number < last_adapted else None
                        upstream[step.id] = Answered(event.envelope, refs, raw)
        yield RunEnded(status="completed")

    async def _step(self, call: Call) -> AsyncGenerator[Event]:
        step = call.step
        dialect = dialect_of(step.module)
        yield StepStarted(step=step)
        attempt = 0
        try:
            readiness, waited_s = await wait_until_ready(self.client, step.module)
            yield ModuleReady(step=step, readiness=readiness, waited_s=waited_s)
            request = await self.request(dialect, call)
            patience = _Patience(0.0 if dialect.health_request() else step.module.ready_timeout_s)
            while True:
                attempt += 1
                try:
                    completed = await self.attempt(dialect, call, request, attempt)
                    break
                except StepError as error:
                    if error.unsent and (pause_s := patience.pause_s()):
                        attempt -= 1
                        await asyncio.sleep(pause_s)
                        continue
                    if not error.failure.retryable or attempt > step.module.retries:
                        raise
                    retry_in_s = _backoff(step.module, attempt, error.exchange)
                    yield AttemptFailed(step=step, attempt=attempt, failure=error.failure, retry_in_s=retry_in_s)
                    await asyncio.sleep(retry_in_s)
        except StepError as error:
            failure = replace(error.failure, step=step.id)
            yield StepFailed(step=step, attempts=attempt, failure=failure, exchange=error.exchange)
            return
        yield completed

    async def request(self, dialect: Dialect, call: Call) -> Request:
        """What is sent for `call`. Raises StepError, also when that takes longer than the step may."""
        async with _within(call.step.module.timeout_s, _timed_out(call.step.module)):
            return await dialect.request(call)

    async def attempt(self, dialect: Dialect, call: Call, request: Request, attempt: int = 1) -> StepCompleted:
        """Send `request` once and have the answer read. Raises StepError, with the exchange when a whole answer came back."""
        module = call.step.module
        exchange: Exchange | None = None
        artifacts: list[ReceivedArtifact] = []
        try:
            async with _within(module.timeout_s, _timed_out(module)):
                exchange = await self.client.send(module, request)
                answer = await dialect.read_answer(exchange, call)
                for source in answer.sources:
                    artifacts.append(await receive(source, module, self.client, self.staging))  # noqa: PERF401  # kept for below
                fingerprint = await _fingerprint(answer.envelope, artifacts, exchange, module)
        except StepError as error:
            # What an attempt fetched is of no use to the next, and could be large.
            await asyncio.to_thread(_discard, artifacts)
            raise StepError(error.failure, exchange, unsent=error.unsent) from error
        return StepCompleted(
            step=call.step,
            attempts=attempt,
            exchange=exchange,
            envelope=answer.envelope,
            artifacts=tuple(artifacts),
            fingerprint=fingerprint,
        )


def _discard(artifacts: list[ReceivedArtifact]) -> None:
    for artifact in artifacts:
        if isinstance(artifact.content, Path):
            artifact.content.unlink(missing_ok=True)


class _Patience:
    """With a module that is not asked for its health: it may still be starting when it is called for the first time."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds
        self._pause_s = _FIRST_POLL_S

    def pause_s(self) -> float:
        """Seconds to wait before the next try, 0 when it was waited long enough."""
        pause_s = min(self._pause_s, _LAST_POLL_S)
        self._pause_s *= 2
        return pause_s if time.monotonic() + pause_s < self._until else 0.0


async def wait_until_ready(client: ModuleClient, module: Module) -> tuple[Readiness, float]:
    """Poll the module's health until it is ready; returns what it told and the seconds waited.

    Raises StepError when the answer cannot become right by waiting, or after `ready_timeout_s`.
    """
    started = time.monotonic()
    pause = _FIRST_POLL_S
    while True:
        left_s = module.ready_timeout_s - (time.monotonic() - started)
        try:
            readiness = await check_health(client, module, min(HEALTH_TIMEOUT_S, max(left_s, _SHORTEST_CHECK_S)))
            return readiness, time.monotonic() - started
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


async def check_health(client: ModuleClient, module: Module, timeout_s: float = HEALTH_TIMEOUT_S) -> Readiness:
    """Ask the module for its health once. Raises StepError, retryable when asking again may help."""
    dialect = dialect_of(module)
    request = dialect.health_request()
    if request is None:
        return Readiness(status="not asked")
    message = f"did not answer {module.at(request.path)} within {timeout_s:.2g} s"
    # A module that is slow to answer while it starts is waited for like one that does not answer yet.
    async with _within(timeout_s, StepError.of(module.name, "MODULE_TIMEOUT", message, retryable=True)):
        return await dialect.read_health(await client.check(module, request))


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


def _call(run_id: str, scenario: Scenario, step: Step, upstream: Mapping[str, Answered]) -> Call:
    return Call(
        run_id=run_id,
        scenario_id=scenario.scenario_id,
        step=step,
        inputs=merged(scenario.inputs, step.inputs),
        seed=scenario.run_options.seed,
        upstream=upstream,
    )


async def _fingerprint(envelope: SuccessEnvelope, artifacts: list[ReceivedArtifact], exchange: Exchange, module: Module) -> str:
    refs = [artifact.ref for artifact in artifacts]
    try:
        if len(exchange.response) > _HASH_OFF_LOOP_BYTES:
            return await asyncio.to_thread(step_fingerprint, envelope, refs)
        return step_fingerprint(envelope, refs)
    except NumberError as error:
        message = f"answers a number that cannot be kept exactly: {error}"
        raise StepError.of(module.name, "INVALID_ANSWER", message, requirement="OPS-EXE-004") from error


def _backoff(module: Module, attempt: int, exchange: Exchange | None) -> float:
    """Seconds before the next attempt: doubling with jitter, and not before the module's own Retry-After."""
    doubled = module.backoff_s * 2.0 ** min(attempt - 1, 10) * random.uniform(0.8, 1.2)  # noqa: S311  # spreads load, hides nothing
    asked = exchange.headers.get("retry-after", "") if exchange else ""
    return min(max(doubled, float(asked) if asked.isdecimal() else 0.0), _LONGEST_BACKOFF_S)
