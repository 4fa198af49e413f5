"""Counts what happens in runs, from their events and nothing else."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ops_orchestrator.modules.registration import Registration
from ops_orchestrator.runs.events import (
    AttemptFailed,
    Event,
    RunEnded,
    RunQueued,
    RunResumed,
    RunStarted,
    StepCompleted,
    StepFailed,
    StepStarted,
)
from ops_orchestrator.runs.feed import Line
from ops_orchestrator.service.metrics.families import (
    CALL_DURATION,
    CODES,
    ENDED_STATUSES,
    OTHER,
    RETRIES,
    RUN_DURATION,
    RUN_FAILURES,
    RUN_WAIT,
    RUNS_ENDED,
    RUNS_STARTED,
    STEP_DURATION,
    STEP_FAILURES,
    STEP_STATUSES,
    STEPS_ENDED,
)
from ops_orchestrator.service.metrics.tally import Labels, Tally

# Runs that never end here, since the disk is full or the service stops, must not be kept for ever.
_MOST_RUNS: Final = 10_000


@dataclass(slots=True)
class _OpenRun:
    """What the steps do, and when what is under way began: RFC 3339, as events say it."""

    actions: Mapping[str, str]
    queued_at: str = ""
    started_at: str = ""
    step_at: str = ""


class RunTally:
    """Counts in `tally` what happens in runs of the registered modules. See Consumer."""

    def __init__(self, tally: Tally, registration: Registration) -> None:
        self._tally = tally
        self._registration = registration
        self._runs: dict[str, _OpenRun] = {}
        self._begin()

    def take(self, lines: Sequence[Line]) -> None:
        """See Consumer."""
        with self._tally.lock:
            for line in lines:
                if line.event is not None and line.queued is not None:
                    self._count(line.event, line.queued)

    def _begin(self) -> None:
        statuses: list[Labels] = [(status,) for status in ENDED_STATUSES]
        calls = list(self._calls())
        self._tally.begin(RUNS_STARTED)
        self._tally.begin(RUN_WAIT)
        self._tally.begin(RUNS_ENDED, statuses)
        self._tally.begin(RUN_FAILURES, [(code,) for code in (*sorted(CODES), OTHER)])
        self._tally.begin(RUN_DURATION, [("completed",), ("failed",)])
        self._tally.begin(STEPS_ENDED, [(*call, status) for call in calls for status in STEP_STATUSES])
        self._tally.begin(STEP_DURATION, calls)
        self._tally.begin(CALL_DURATION, calls)

    def _calls(self) -> Iterator[Labels]:
        for module in self._registration.catalogue.modules.values():
            yield from ((module.name, action) for action in module.action_names)

    def _count(self, event: Event, queued: RunQueued) -> None:
        run = self._runs.get(event.run_id)
        if run is None:
            run = self._runs[event.run_id] = _OpenRun(_actions(queued))
            if len(self._runs) > _MOST_RUNS:
                del self._runs[next(iter(self._runs))]
        match event.what:
            case RunQueued() | RunResumed():
                run.queued_at = event.at
                self._tally.add(RUNS_STARTED)
            case RunStarted():
                run.started_at = event.at
                if run.queued_at:
                    self._tally.observe(RUN_WAIT, _between(run.queued_at, event.at))
            case StepStarted():
                run.step_at = event.at
            case AttemptFailed():
                self._retry(run, event.what)
            case StepCompleted() | StepFailed():
                self._end_step(run, event, event.what)
            case RunEnded():
                self._end(run, event, event.what)
                del self._runs[event.run_id]

    def _retry(self, run: _OpenRun, what: AttemptFailed) -> None:
        call = self._call(run, what.step, what.module)
        self._tally.add(RETRIES, (*call, _code(what.error)))
        if what.took_s is not None:
            self._tally.observe(CALL_DURATION, what.took_s, call)

    def _end_step(self, run: _OpenRun, event: Event, what: StepCompleted | StepFailed) -> None:
        call = self._call(run, what.step, what.module)
        status = "completed" if isinstance(what, StepCompleted) else "failed"
        self._tally.add(STEPS_ENDED, (*call, status))
        if isinstance(what, StepFailed):
            self._tally.add(STEP_FAILURES, (*call, _code(what.error)))
        if run.step_at:
            self._tally.observe(STEP_DURATION, _between(run.step_at, event.at), call)
        if what.took_s is not None:
            self._tally.observe(CALL_DURATION, what.took_s, call)

    def _end(self, run: _OpenRun, event: Event, what: RunEnded) -> None:
        self._tally.add(RUNS_ENDED, (what.status,))
        if what.error is not None:
            self._tally.add(RUN_FAILURES, (_code(what.error),))
        if run.started_at:
            self._tally.observe(RUN_DURATION, _between(run.started_at, event.at), (what.status,))

    def _call(self, run: _OpenRun, step: str, name: str) -> Labels:
        """Module and action of a step, as far as modules.yaml has them: a run may be older, or come from elsewhere."""
        module, action = self._registration.catalogue.modules.get(name), run.actions.get(step)
        return (name, action) if module is not None and action in module.action_names else (OTHER, OTHER)


def _actions(queued: RunQueued) -> Mapping[str, str]:
    """The actions of a run by step; none of one that calls no module, since it goes by recorded answers."""
    is_offline = queued.reproduction is not None and queued.reproduction.offline
    return {} if is_offline else {step.id: step.action for step in queued.steps}


def _code(error: Mapping[str, Any]) -> str:
    code = error.get("code")
    return code if code in CODES else OTHER


def _between(began: str, ended: str) -> float:
    return (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds()
