"""A run as its events tell: run.json is what the lines of logs.jsonl come down to, and nothing else."""

from collections.abc import Iterable
from typing import Any, Self

from ops_contract import NumberError
from ops_orchestrator.runs.event_reader import LogError
from ops_orchestrator.runs.events import (
    AttemptFailed,
    Event,
    Fingerprints,
    ModuleReady,
    RunCancelling,
    RunEnded,
    RunQueued,
    RunResumed,
    RunStarted,
    Status,
    StepCompleted,
    StepFailed,
    StepStarted,
)
from ops_orchestrator.runs.provenance import recipe_fingerprint, result_fingerprint
from ops_orchestrator.runs.record import FORMAT, MODULES, RunRecord, StepRecord, step_folder
from ops_orchestrator.runs.run_file import FileRef


class RunState:
    """One run as its events tell: apply them one after another and read `record`, `files` and `seq`, the last number."""

    def __init__(self, first: Event) -> None:
        """Raises LogError when `first` is not the first event of a run."""
        if first.seq != 1 or not isinstance(first.what, RunQueued):
            raise LogError("line 1 does not say what was asked for")
        self.files: dict[str, FileRef] = {}
        self.wanted_since = first.at
        """When the run was asked for, or, once it was over, asked to go on: its deadline counts from there."""
        self._events = [first]
        self._record = _opened(first, first.what)
        self._positions = {step.id: index for index, step in enumerate(self._record.steps)}
        # What events changed in the steps since somebody asked for the record, by position.
        self._changes: dict[int, dict[str, Any]] = {}

    @classmethod
    def of(cls, events: Iterable[Event]) -> Self:
        """The run as all of its events tell. Raises LogError."""
        numbered = iter(events)
        first = next(numbered, None)
        if first is None:
            raise LogError("the log is empty")
        state = cls(first)
        for event in numbered:
            state.apply(event)
        return state

    @property
    def queued(self) -> RunQueued:
        """What the run began with."""
        first = self._events[0].what
        assert isinstance(first, RunQueued)  # noqa: S101  # nothing else is taken as the first event
        return first

    @property
    def seq(self) -> int:
        """The number of the last event."""
        return self._events[-1].seq

    @property
    def record(self) -> RunRecord:
        """The record of the run."""
        if self._changes:
            steps = list(self._record.steps)
            for position, changes in self._changes.items():
                steps[position] = steps[position].model_copy(update=changes)
            self._record = self._record.model_copy(update={"steps": tuple(steps)})
            self._changes = {}
        return self._record

    def after(self, seq: int) -> "RunState":
        """The run as it was after its event number `seq`."""
        return RunState.of(self._events[:seq])

    def apply(self, event: Event) -> None:  # one case a kind of event
        """Take in one event. Raises LogError for a step that is not in the plan."""
        what = event.what
        match what:
            case RunStarted():
                self._record = self._record.model_copy(update={"status": "running", "attempt": what.attempt})
            case RunResumed():
                self._resume(what, event.at)
            case StepStarted():
                self._change(what.step, status="running", started_at=event.at, image_digest=what.image_digest)
            case ModuleReady():
                self._change(what.step, module_version=what.module_version, contract_versions=what.contract_versions)
            case AttemptFailed():
                self._change(what.step, attempts=what.attempt)
            case StepCompleted():
                self._complete(what, event.at)
            case StepFailed():
                self._change(
                    what.step,
                    status="failed",
                    finished_at=event.at,
                    attempts=what.attempts,
                    exchange=what.exchange,
                    error=what.error,
                )
            case RunCancelling():
                self._record = self._record.model_copy(update={"cancelled_by": what.caller})
            case RunEnded():
                self._end(what, event.at)
        self.files.update((file.path, file) for file in getattr(what, "files", ()))
        self._events.append(event)

    def fingerprints(self, status: Status) -> Fingerprints:
        """The fingerprints of the run if it ends now with `status`."""
        return fingerprints_of(self.record, status)

    def _complete(self, what: StepCompleted, finished_at: str) -> None:
        self._change(
            what.step,
            status="completed",
            finished_at=finished_at,
            attempts=what.attempts,
            exchange=what.exchange,
            result=what.result,
            warnings=what.warnings,
            synthetic=what.synthetic,
        )
        # Modules that do not follow the contract often state their version in the answer only.
        if what.module_version:
            self._change(what.step, module_version=what.module_version)

    def _resume(self, what: RunResumed, at: str) -> None:
        """Steps that were not completed are open again; what their last attempt left has been moved, see `files`."""
        if self.record.is_over:  # not so when a worker, or a service, goes on with what another one left
            self.wanted_since = at
        for step in self.record.steps:
            if step.status == "completed":
                continue
            folder = step_folder(step.step, step.id)
            for path in [path for path in self.files if path.rpartition("/")[0] == folder]:
                del self.files[path]
            self._change(step.id, status="pending", started_at=None, finished_at=None, exchange=None, error=None)
        changes = {"status": "queued", "attempt": what.attempt, "finished_at": None, "error": None}
        changes |= {"resumed_by": what.caller, "cancelled_by": None}
        if what.durability != "sync":
            # What one attempt did not flush, no other did.
            changes["durability"] = what.durability
        if (reproduction := self.record.reproduction) is not None:
            changes["reproduction"] = reproduction.ungraded()
        self._record = self.record.model_copy(update={**changes, "fingerprints": Fingerprints()})

    def _end(self, what: RunEnded, finished_at: str) -> None:
        self._record = ended(self.record, what, finished_at)

    def _change(self, step_id: str, **changes: Any) -> None:
        try:
            position = self._positions[step_id]
        except KeyError as error:
            raise LogError(f"step {step_id[:60]!r} is not in the plan") from error
        self._changes.setdefault(position, {}).update(changes)


def ended(record: RunRecord, what: RunEnded, finished_at: str) -> RunRecord:
    """The record of a run that ended at `finished_at`; a step that was under way was interrupted."""
    steps = (step.model_copy(update={"status": "interrupted"}) if step.status == "running" else step for step in record.steps)
    return record.model_copy(
        update={
            "status": what.status,
            "finished_at": finished_at,
            "error": what.error,
            "steps": tuple(steps),
            "fingerprints": what.fingerprints,
            "reproduction": what.reproduction or record.reproduction,
        }
    )


def fingerprints_of(record: RunRecord, status: Status) -> Fingerprints:
    """The fingerprints of a run that ends with `status` as `record` has it."""
    # Of a module that was never reached the version is not known, and a recipe with a gap would match others by accident.
    known = all(step.module_version is not None or step.status == "completed" for step in record.steps)
    modules = {step.id: _made_with(step) for step in record.steps}
    results = {step.id: step.result for step in record.steps if step.result is not None}
    return Fingerprints(
        recipe=_recipe(record, modules) if known else None,
        result=result_fingerprint(results) if status == "completed" else None,
    )


def _recipe(record: RunRecord, modules: dict[str, Any]) -> str | None:
    try:
        return recipe_fingerprint(record.request, record.plan, modules)
    except NumberError:
        # The planner refuses such numbers, so the record was not written by it.
        return None


def _made_with(step: StepRecord) -> dict[str, Any]:
    made = {"module": step.module, "version": step.module_version, "image_digest": step.image_digest}
    return made | ({"adapter": step.adapter} if step.adapter else {})


def _opened(event: Event, queued: RunQueued) -> RunRecord:
    return RunRecord(
        format=FORMAT,
        run_id=event.run_id,
        status="queued",
        request=queued.request,
        plan=queued.plan,
        started_at=event.at,
        versions=queued.versions,
        durability=queued.durability,
        idempotency_key=queued.idempotency_key,
        reproduces=queued.reproduces,
        reproduction=queued.reproduction,
        sweep=queued.sweep,
        traceparent=queued.traceparent,
        started_by=queued.caller,
        modules=MODULES,
        steps=tuple(
            StepRecord(
                step=number,
                id=step.id,
                module=step.module,
                action=step.action,
                image_digest=step.image_digest,
                adapter=step.adapter,
            )
            for number, step in enumerate(queued.steps, start=1)
        ),
    )
