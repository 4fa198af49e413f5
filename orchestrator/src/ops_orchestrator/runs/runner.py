"""Interprets a plan: calls its modules one after another and yields what happens. Knows no consumer, keeps nothing."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from ops_orchestrator.errors import StepError
from ops_orchestrator.exchange import Request
from ops_orchestrator.modules.answer import Readiness
from ops_orchestrator.modules.attempt import Answered, attempt, request_for
from ops_orchestrator.modules.call import Call, UpstreamAnswer
from ops_orchestrator.modules.client import ModuleClient
from ops_orchestrator.modules.readiness import StartupPatience, wait_until_ready
from ops_orchestrator.modules.time_limit import StepTime
from ops_orchestrator.off_loop import off_loop_if_large
from ops_orchestrator.planning.scenario import Scenario, merged
from ops_orchestrator.planning.steps import Plan, Step
from ops_orchestrator.runs.back_off import back_off_s
from ops_orchestrator.runs.events import (
    AttemptFailed,
    Event,
    ModuleReady,
    Occurrence,
    RunEnded,
    StepCompleted,
    StepFailed,
    StepStarted,
)
from ops_orchestrator.runs.provenance import step_fingerprint


@dataclass(frozen=True)
class Runner:
    """Executes plans with `client`. Artifacts that are fetched land in `staging`; None checks and drops them."""

    client: ModuleClient
    staging: Path | None

    async def execute(
        self,
        run_id: str,
        scenario: Scenario,
        plan: Plan,
        *,
        upstream: Mapping[str, UpstreamAnswer] | None = None,
        first_seq: int = 1,
    ) -> AsyncGenerator[Event]:
        """Call the modules of `plan` in order and yield events, numbered from `first_seq`, RunEnded last.

        Steps whose answers are in `upstream` are not called again. A failed step ends the plan.
        """
        answers = dict(upstream or {})
        steps = tuple(step for step in plan.steps if step.id not in answers)
        numbers = count(first_seq)
        async with aclosing(self._execute(run_id, scenario, steps, answers)) as occurrences:
            async for what in occurrences:
                yield Event(run_id=run_id, seq=next(numbers), what=what)

    async def _execute(
        self, run_id: str, scenario: Scenario, steps: tuple[Step, ...], upstream: dict[str, UpstreamAnswer]
    ) -> AsyncGenerator[Occurrence]:
        last_adapted = max((step.number for step in steps if step.module.adapter), default=0)
        for step in steps:
            async with aclosing(self._step(step, _call(run_id, scenario, step, upstream))) as occurrences:
                async for what in occurrences:
                    yield what
                    match what:
                        case StepFailed():
                            yield RunEnded(status="failed", error=what.failure.as_json())
                            return
                        case StepCompleted():
                            upstream[step.id] = _upstream(what, keep_raw=step.number < last_adapted)
        yield RunEnded(status="completed")

    async def _step(self, step: Step, call: Call) -> AsyncGenerator[Occurrence]:
        yield StepStarted(step=step)
        attempts = 0
        # Each part has a limit to itself: none may be open where an event is yielded.
        time = StepTime(call.module)
        try:
            known, waited_s = await self._ready(call, time)
            yield ModuleReady(step=step, readiness=known, waited_s=waited_s)
            async with time.limit():
                request = await request_for(call)
            patience = StartupPatience(call.module)
            while True:
                attempts += 1
                try:
                    async with time.limit():
                        answered = await self._attempt(call, request, patience)
                    break
                except StepError as error:
                    retry_in_s = back_off_s(call.module, attempts, error, time.left_s)
                    yield AttemptFailed(step=step, attempt=attempts, failure=error.failure, retry_in_s=retry_in_s)
                    await asyncio.sleep(retry_in_s)
                    if error.is_of_connection:
                        # The module may be restarting, and is waited for as at its start.
                        patience = patience if error.unsent else StartupPatience(call.module)
                        readiness, waited_s = await self._ready(call, time)
                        if readiness != known:
                            yield ModuleReady(step=step, readiness=readiness, waited_s=waited_s)
                        known = readiness
        except StepError as error:
            failure = replace(error.failure, step=step.id)
            yield StepFailed(step=step, attempts=attempts, failure=failure, exchange=error.exchange)
            return
        yield await _completed(step, attempts, answered)

    async def _ready(self, call: Call, time: StepTime) -> tuple[Readiness, float]:
        async with time.limit():
            return await wait_until_ready(self.client, call.module)

    async def _attempt(self, call: Call, request: Request, patience: StartupPatience) -> Answered:
        """Call the module once; one without a health check may still be starting, which is no attempt."""
        while True:
            try:
                return await attempt(call, request, self.client, self.staging)
            except StepError as error:
                pause_s = patience.next_pause_s() if error.unsent else None
                if pause_s is None:
                    raise
                await asyncio.sleep(pause_s)


async def _completed(step: Step, attempts: int, answered: Answered) -> StepCompleted:
    envelope, refs = answered.envelope, answered.refs
    return StepCompleted(
        step=step,
        attempts=attempts,
        exchange=answered.exchange,
        envelope=answered.envelope,
        artifacts=answered.artifacts,
        fingerprint=await off_loop_if_large(lambda: step_fingerprint(envelope, refs), len(answered.exchange.response)),
    )


def _upstream(completed: StepCompleted, *, keep_raw: bool) -> UpstreamAnswer:
    # The bytes of artifacts are not passed on, and need not stay in memory until the run ends.
    envelope = completed.envelope.model_copy(update={"artifacts": ()})
    refs = tuple(artifact.ref for artifact in completed.artifacts)
    return UpstreamAnswer(envelope, refs, completed.exchange if keep_raw else None)


def _call(run_id: str, scenario: Scenario, step: Step, upstream: Mapping[str, UpstreamAnswer]) -> Call:
    return Call(
        run_id=run_id,
        scenario_id=scenario.scenario_id,
        step_id=step.id,
        module=step.module,
        action=step.action,
        inputs=merged(scenario.inputs, step.inputs),
        seed=scenario.run_options.seed,
        upstream=upstream,
    )
