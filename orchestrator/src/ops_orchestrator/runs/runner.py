"""Interprets a plan: calls its modules one after another and emits what happens. Knows no consumer, keeps nothing."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from ops_orchestrator.errors import StepError
from ops_orchestrator.exchange import Request
from ops_orchestrator.modules.answer import Readiness
from ops_orchestrator.modules.attempt import Answered, attempt, request_for
from ops_orchestrator.modules.call import Call, UpstreamAnswer
from ops_orchestrator.modules.client import StepClients
from ops_orchestrator.modules.readiness import StartupPatience, wait_until_ready
from ops_orchestrator.modules.time_limit import StepTime
from ops_orchestrator.modules.trace_context import TraceContext
from ops_orchestrator.off_loop import off_loop_if_large
from ops_orchestrator.planning.pins import ModulePin
from ops_orchestrator.planning.scenario import Scenario, merged
from ops_orchestrator.planning.steps import Plan, Step
from ops_orchestrator.runs.back_off import back_off_s
from ops_orchestrator.runs.events import (
    AttemptFailed,
    ExchangeRecord,
    ModuleReady,
    Occurrence,
    RunEnded,
    StepCompleted,
    StepFailed,
    StepStarted,
)
from ops_orchestrator.runs.pins import check_answer, check_when_ready
from ops_orchestrator.runs.provenance import step_fingerprint
from ops_orchestrator.runs.record import StepResults, step_folder
from ops_orchestrator.runs.run_file import RunFile
from ops_orchestrator.runs.step_files import attempt_folder, completed_files, exchange_files, step_results
from ops_orchestrator.runs.supports import warnings_of
from ops_orchestrator.runs.synthetic import calls_figures_made_up


class Emit(Protocol):
    """Takes what happens, one after another; the run goes on when it returns."""

    async def __call__(self, what: Occurrence, files: Sequence[RunFile] = (), results: StepResults | None = None, /) -> None:
        """Take what happened and the files that it names; of a step that is completed also its results."""
        ...


class KeptArtifacts(Protocol):
    """The artifacts that the run has received so far."""

    async def durable(self) -> None:
        """Wait until all of them are in the run's folder."""
        ...

    def read_artifact(self, step_id: str, name: str, limit: int, /) -> bytes:
        """See ReadArtifact."""
        ...


@dataclass(frozen=True)
class Earlier:
    """What a run that goes on has from before: answers by step id, and how often each other step was tried."""

    upstream: Mapping[str, UpstreamAnswer] = field(default_factory=dict)
    attempts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Runner:
    """Executes plans with `clients`. Artifacts that are fetched land in `staging`; None checks and drops them.

    `kept` has those that requests are made with, `trace` is that of the run.
    """

    clients: StepClients
    staging: Path | None
    emit: Emit
    kept: KeptArtifacts | None = None
    trace: TraceContext | None = None

    async def execute(self, run_id: str, scenario: Scenario, plan: Plan, earlier: Earlier | None = None) -> RunEnded:
        """Call the modules of `plan` in order and emit what happens, up to the end, which is returned.

        Steps whose answers are in `earlier` are not called again. A failed step ends the plan. Raises what `emit` raises.
        """
        earlier = earlier or Earlier()
        upstream = dict(earlier.upstream)
        steps = [step for step in plan.steps if step.id not in upstream]
        last_adapted = max((step.number for step in steps if step.module.adapter), default=0)
        for step in steps:
            call = replace(_call(run_id, scenario, step, upstream, self.kept), trace=self.trace)
            if self.kept is not None and step.module.sends_artifacts(step.action):
                await self.kept.durable()
            keep_exchange = step.number < last_adapted
            tried = earlier.attempts.get(step.id, 0)
            outcome = await self._step(step, call, tried, pins=scenario.run_options.pin, keep_exchange=keep_exchange)
            if isinstance(outcome, StepFailed):
                return RunEnded(status="failed", error=outcome.error)
            upstream[step.id] = outcome
        return RunEnded(status="completed")

    async def _step(
        self, step: Step, call: Call, tried: int, *, pins: Mapping[str, ModulePin], keep_exchange: bool
    ) -> UpstreamAnswer | StepFailed:
        """Execute a step. `tried` attempts were made before the run was resumed."""
        await self.emit(_started(step))
        attempts = 0
        # Each part has a limit to itself: none is open while something is emitted.
        time = StepTime(call.module)
        try:
            known, waited_s = await self._ready(call, time)
            await self.emit(_ready(step, known, waited_s))
            check_when_ready(step, known.version, pins)
            request = await request_for(call, time)
            patience = StartupPatience(call.module)
            while True:
                attempts += 1
                try:
                    answered = await self._attempt(replace(call, attempt=tried + attempts), request, patience, time)
                    break
                except StepError as error:
                    retry_in_s = back_off_s(call.module, attempts, error, time.left_s)
                    await self._emit_retry(step, tried + attempts, error, retry_in_s, time.take_attempt_s())
                    await asyncio.sleep(retry_in_s)
                    if error.is_of_connection:
                        # The module may be restarting, and is waited for as at its start.
                        patience = patience if error.unsent else StartupPatience(call.module)
                        readiness, waited_s = await self._ready(call, time)
                        if readiness != known:
                            await self.emit(_ready(step, readiness, waited_s))
                            check_when_ready(step, readiness.version, pins)
                        known = readiness
            check_answer(step, answered.envelope.version, answered.exchange, pins)
            completed = await off_loop_if_large(
                lambda: self._completed(step, call, tried + attempts, answered, time.take_attempt_s()), answered.size_bytes
            )
        except StepError as error:
            return await self._emit_failed(step, tried + attempts, error, time.take_attempt_s())
        await self.emit(*completed)
        return answered.as_upstream(keep_exchange=keep_exchange, synthetic=completed[0].synthetic)

    async def _ready(self, call: Call, time: StepTime) -> tuple[Readiness, float]:
        client = self.clients.of_step(call.step_id)
        if known := client.checks.known(call.module):
            return known, 0.0
        async with time.limit():
            return await wait_until_ready(client, call.module)

    async def _attempt(self, call: Call, request: Request, patience: StartupPatience, time: StepTime) -> Answered:
        """Call the module once; one without a health check may still be starting, which is no attempt."""
        client = self.clients.of_step(call.step_id)
        while True:
            try:
                answered = await attempt(call, request, client, self.staging, time)
            except StepError as error:
                time.end_attempt()
                pause_s = patience.next_pause_s(error)
                async with time.limit():
                    await asyncio.sleep(pause_s)
            else:
                time.end_attempt()
                return answered

    @property
    def _keeps(self) -> bool:
        return self.staging is not None

    def _completed(
        self, step: Step, call: Call, attempts: int, answered: Answered, took_s: float | None
    ) -> tuple[StepCompleted, tuple[RunFile, ...], StepResults]:
        envelope = answered.envelope
        results = step_results(step, answered, keep_artifacts=self._keeps)
        files = completed_files(step, answered, results, keep_artifacts=self._keeps)
        what = StepCompleted(
            step=step.id,
            module=step.module.name,
            attempts=attempts,
            exchange=ExchangeRecord.of(answered.exchange),
            result=step_fingerprint(envelope, answered.refs),
            took_s=took_s,
            module_version=envelope.version,
            warnings=warnings_of(envelope),
            synthetic=calls_figures_made_up(envelope.evidence) or call.may_rest_on_synthetic,
            artifacts=tuple(artifact.ref.name for artifact in answered.artifacts),
            files=tuple(file.ref for file in files),
        )
        return what, files, results

    async def _emit_retry(self, step: Step, attempt: int, error: StepError, retry_in_s: float, took_s: float | None) -> None:
        exchange, files = self._exchange(step, error, attempt_folder(step, attempt))
        what = AttemptFailed(
            step=step.id,
            module=step.module.name,
            attempt=attempt,
            error=error.failure.as_json(),
            retry_in_s=round(retry_in_s, 6),
            took_s=took_s,
            exchange=exchange,
            files=tuple(file.ref for file in files),
        )
        await self.emit(what, files)

    async def _emit_failed(self, step: Step, attempts: int, error: StepError, took_s: float | None) -> StepFailed:
        exchange, files = self._exchange(step, error, step_folder(step.number, step.id))
        what = StepFailed(
            step=step.id,
            module=step.module.name,
            attempts=attempts,
            error=replace(error.failure, step=step.id).as_json(),
            took_s=took_s,
            exchange=exchange,
            files=tuple(file.ref for file in files),
        )
        await self.emit(what, files)
        return what

    def _exchange(self, step: Step, error: StepError, folder: str) -> tuple[ExchangeRecord | None, tuple[RunFile, ...]]:
        """The exchange of a failed attempt, when a whole answer came back, and its files."""
        if error.exchange is None:
            return None, ()
        return ExchangeRecord.of(error.exchange), exchange_files(step, error.exchange, folder, keep_artifacts=self._keeps)


def _started(step: Step) -> StepStarted:
    module = step.module
    return StepStarted(
        step=step.id,
        module=module.name,
        url=module.address,
        ready_timeout_s=module.ready_timeout_s,
        image_digest=module.image_digest,
    )


def _ready(step: Step, readiness: Readiness, waited_s: float) -> ModuleReady:
    return ModuleReady(
        step=step.id,
        module=step.module.name,
        module_version=readiness.version,
        contract_versions=readiness.contract_versions,
        waited_s=round(waited_s, 3),
    )


def _call(
    run_id: str, scenario: Scenario, step: Step, upstream: Mapping[str, UpstreamAnswer], kept: KeptArtifacts | None
) -> Call:
    return Call(
        run_id=run_id,
        scenario_id=scenario.scenario_id,
        step_id=step.id,
        module=step.module,
        action=step.action,
        inputs=merged(scenario.inputs, step.inputs),
        seed=scenario.run_options.seed,
        upstream=upstream,
        bound=step.needs,
        read_artifact=kept.read_artifact if kept is not None else None,
    )
