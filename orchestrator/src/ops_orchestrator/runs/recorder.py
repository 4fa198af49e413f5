"""Keeps a run as it happens: folds its events into record and results, and has a store write them."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Self

from ops_contract import JsonError
from ops_orchestrator.errors import RunExistsError
from ops_orchestrator.exchange import Exchange
from ops_orchestrator.modules.answer import ReceivedArtifact
from ops_orchestrator.planning.steps import Step
from ops_orchestrator.runs.events import Event, RunEnded, RunStarted, StepCompleted, StepFailed, json_line
from ops_orchestrator.runs.record import RunState, artifacts_folder, response_name, step_folder
from ops_orchestrator.runs.run_id import new_run_id
from ops_orchestrator.runs.store.protocols import RunFile, RunStore, RunWriter


class Recorder:
    """Takes a run's events before any consumer: those learn of an event when it is written. Blocking; close it with `close`."""

    def __init__(self, state: RunState, writer: RunWriter, *, keep_artifacts: bool) -> None:
        self.state = state
        self.is_sealed = False
        self._writer = writer
        self._keep_artifacts = keep_artifacts

    @classmethod
    def create(cls, store: RunStore, started: RunStarted) -> tuple[Self, Event]:
        """Make the run, under a new id, and its first event. Raises StoreError."""
        event = Event(run_id=new_run_id(), seq=1, what=started)
        while True:
            state = RunState(event.run_id, started, event.at)
            state.apply(event)
            try:
                writer = store.create(event.as_line(), state.record, state.results)
            except RunExistsError:
                event = replace(event, run_id=new_run_id())
            else:
                return cls(state, writer, keep_artifacts=started.scenario.run_options.save_artifacts), event

    @property
    def staging(self) -> Path | None:
        """Where fetched artifacts wait until their step is complete; None when the run keeps no artifacts."""
        return self._writer.staging if self._keep_artifacts else None

    def close(self) -> None:
        """Let go of the run, which is over, or counts as left behind."""
        self._writer.close()

    def write(self, event: Event) -> None:
        """Write `event`; nothing is added to a run that is sealed. Raises OSError."""
        if self.is_sealed:
            return
        match event.what:
            case StepCompleted(step=step, exchange=exchange, artifacts=artifacts):
                self._publish_artifacts(step, artifacts)
                holds_artifacts = step.module.answer_holds_artifacts(step.action)
                self._publish_exchange(step, exchange, holds_artifacts=holds_artifacts)
            case StepFailed(step=step, exchange=exchange) if exchange is not None:
                self._publish_exchange(step, exchange, holds_artifacts=False)
        # Only what is on disk may be claimed, so log and record follow the files.
        self.state.apply(event)
        if isinstance(event.what, RunEnded):
            self._writer.seal(event.as_line(), self.state.record)
            self.is_sealed = True
        else:
            results = self.state.results if isinstance(event.what, StepCompleted) else None
            self._writer.append(event.as_line(), self.state.record, results)

    def _publish_artifacts(self, step: Step, artifacts: tuple[ReceivedArtifact, ...]) -> None:
        received = [(artifact.ref, artifact.content) for artifact in artifacts]
        files = [RunFile(ref.name, content, ref.sha256) for ref, content in received if content is not None]
        if files:
            self._writer.publish(artifacts_folder(step.id), files)

    def _publish_exchange(self, step: Step, exchange: Exchange, *, holds_artifacts: bool) -> None:
        adapted = step.module.adapter is not None
        files = [RunFile("mapped-request.json", _mapped_request(exchange))] if adapted else []
        if exchange.request:
            files.append(RunFile("request.json", exchange.request, exchange.request_sha256))
        if self._keep_artifacts or (adapted and not holds_artifacts):
            files.append(RunFile(response_name(exchange.media_type), exchange.response, exchange.response_sha256))
        elif not adapted:
            files.append(RunFile(response_name(exchange.media_type), _without_contents(exchange)))
        self._writer.publish(step_folder(step.number, step.id), files)


def _mapped_request(exchange: Exchange) -> bytes:
    """What an adapter made of a call, for people: also of a call without a body."""
    request = {"method": exchange.method, "url": exchange.url, "headers": dict(exchange.request_headers)}
    body = {"body": json.loads(exchange.request)} if exchange.request else {}
    return (json.dumps(request | body, indent=2, ensure_ascii=False) + "\n").encode()


def _without_contents(exchange: Exchange) -> bytes:
    """The answer less its inline artifacts, for runs that keep hashes only. What is not an envelope is kept as it is."""
    try:
        answer = exchange.json()
        artifacts = [
            {key: artifact[key] for key in artifact if key not in ("data", "text")} for artifact in answer["artifacts"]
        ]
    except (JsonError, LookupError, TypeError):
        return exchange.response
    return json_line({**answer, "artifacts": artifacts})
