"""Makes spans of the events of runs. Their ids are those that modules and callers were told: see TraceContext."""

import os
import socket
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Self
from urllib.parse import urlsplit

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event as SpanEvent
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

import ops_orchestrator
from ops_orchestrator.modules.trace_context import TraceContext
from ops_orchestrator.runs.events import (
    AttemptFailed,
    Event,
    ExchangeRecord,
    ModuleReady,
    RunEnded,
    RunQueued,
    RunResumed,
    RunStarted,
    StepCompleted,
    StepFailed,
    StepStarted,
)
from ops_orchestrator.runs.feed import Line

_NAME: Final = "openpolicystack-orchestrator"
_SCOPE: Final = InstrumentationScope(_NAME, ops_orchestrator.__version__)
_LONGEST_END_S: Final = 3.0
# As in RunTally: runs that never end here must not be kept for ever.
_MOST_RUNS: Final = 10_000
_NS: Final = 1_000_000_000

Attributes = dict[str, str | int | bool]


@dataclass(slots=True)
class _OpenStep:
    """A step under way, and when an attempt of it began that is not over, as far as events tell."""

    started: StepStarted
    began_ns: int
    events: list[SpanEvent] = field(default_factory=list)
    attempts: int = 0
    called_ns: int | None = None


@dataclass(slots=True)
class _OpenRun:
    """A run under way. `links` lead to the spans of its earlier attempts."""

    trace: TraceContext
    queued: RunQueued
    began_ns: int
    attempt: int = 1
    events: list[SpanEvent] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    step: _OpenStep | None = None


class ExportedSpans:
    """A consumer that gives `processor` a span for each run, step and attempt, when it ends. See SpanExport.

    `provider` says what is sampled, and what the spans are of.
    """

    def __init__(self, processor: SpanProcessor, provider: TracerProvider) -> None:
        self._processor = processor
        self._provider = provider
        self._lock = threading.Lock()
        self._runs: dict[str, _OpenRun | None] = {}

    @classmethod
    def to_otlp(cls) -> Self:
        """Export by OTLP over HTTP, as OTEL_* variables say. Raises ValueError for one that cannot be used."""
        # What OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say comes first.
        instance = f"{socket.gethostname()}:{os.getpid()}"
        own = {"service.name": _NAME, "service.version": ops_orchestrator.__version__, "service.instance.id": instance}
        resource = Resource(own).merge(Resource.create())
        if str(resource.attributes["service.name"]).startswith("unknown_service"):
            resource = resource.merge(Resource({"service.name": _NAME}))
        return cls(BatchSpanProcessor(OTLPSpanExporter()), TracerProvider(resource=resource, shutdown_on_exit=False))

    def take(self, lines: Sequence[Line]) -> None:
        """See Consumer."""
        with self._lock:
            for line in lines:
                if line.event is not None and line.queued is not None:
                    self._take(line.event, line.queued)

    def close(self) -> None:
        """See SpanExport. A receiver that does not answer holds up nobody for longer."""
        ending = threading.Thread(target=self._processor.shutdown, name="last-spans", daemon=True)
        ending.start()
        ending.join(_LONGEST_END_S)

    def _take(self, event: Event, queued: RunQueued) -> None:
        at = _ns(event.at)
        if event.run_id not in self._runs:
            trace = TraceContext.of(event.run_id, queued.traceparent)
            self._runs[event.run_id] = _OpenRun(trace, queued, at) if self._is_sampled(trace, queued) else None
            if len(self._runs) > _MOST_RUNS:
                del self._runs[next(iter(self._runs))]
        run = self._runs[event.run_id]
        if run is not None:
            self._follow(run, event, at)
        if isinstance(event.what, RunEnded):
            del self._runs[event.run_id]

    def _follow(self, run: _OpenRun, event: Event, at: int) -> None:
        step = run.step
        match event.what:
            case RunResumed(attempt=attempt):
                run.attempt = attempt
                run.links = [Link(_context(run.trace, run.trace.run_span(before))) for before in range(1, attempt)]
            case RunStarted(executor=executor):
                run.events.append(SpanEvent("run.started", {"executor": executor}, at))
            case StepStarted() as started:
                run.step = _OpenStep(started, at)
            case ModuleReady(waited_s=waited_s, module_version=version) if step is not None:
                step.events.append(SpanEvent("module.ready", {"waited_s": waited_s, "version": version or ""}, at))
                step.called_ns = at
            case AttemptFailed() as failed if step is not None:
                self._end_call(run, step, failed.attempt, at, failed.took_s, failed.exchange, failed.error)
                step.called_ns = at + round(failed.retry_in_s * _NS)
            case StepCompleted() | StepFailed() as what if step is not None:
                error = what.error if isinstance(what, StepFailed) else None
                self._end_call(run, step, what.attempts, at, what.took_s, what.exchange, error)
                self._end_step(run, step, at, error)
            case RunEnded() as ended:
                self._end(run, ended, at)

    def _end_call(  # noqa: PLR0913, PLR0917  # what a span is made of
        self,
        run: _OpenRun,
        step: _OpenStep,
        attempt: int,
        at: int,
        took_s: float | None,
        exchange: ExchangeRecord | None,
        error: Mapping[str, Any] | None,
    ) -> None:
        """The span of one attempt, which is known to have been made if it took time."""
        step.attempts, step.called_ns = attempt, None
        if took_s is None:
            return
        url = urlsplit(exchange.url if exchange else step.started.url)
        attributes: Attributes = {"server.address": url.hostname or "", "http.request.resend_count": attempt - 1}
        if url.port is not None:
            attributes["server.port"] = url.port
        if exchange is not None:
            attributes |= {
                "http.request.method": exchange.method,
                "http.response.status_code": exchange.status,
                "url.full": exchange.url,
            }
        span_id = run.trace.call_span(step.started.step, attempt)
        parent = run.trace.step_span(step.started.step, run.attempt)
        began = at - round(took_s * _NS)
        name = f"call {step.started.module}"
        self._emit(run, name, span_id, parent, began, at, attributes, kind=SpanKind.CLIENT, error=_code(error))

    def _end_step(self, run: _OpenRun, step: _OpenStep, at: int, error: Mapping[str, Any] | None) -> None:
        run.step = None
        started = step.started
        action = next((each.action for each in run.queued.steps if each.id == started.step), "")
        attributes: Attributes = {
            "openpolicystack.step.id": started.step,
            "openpolicystack.module.name": started.module,
            "openpolicystack.action": action,
            "openpolicystack.step.attempts": step.attempts,
        }
        span_id, parent = run.trace.step_span(started.step, run.attempt), run.trace.run_span(run.attempt)
        name = f"step {started.module}"
        self._emit(run, name, span_id, parent, step.began_ns, at, attributes, events=step.events, error=_code(error))

    def _end(self, run: _OpenRun, ended: RunEnded, at: int) -> None:
        if (step := run.step) is not None:
            # The run was stopped: the module that was called was told of a span, which its own belong to.
            if step.called_ns is not None and run.attempt == 1:
                took_s = max(at - step.called_ns, 0) / _NS
                self._end_call(run, step, step.attempts + 1, at, took_s, None, ended.error)
            self._end_step(run, step, at, ended.error)
        attributes: Attributes = _of_run(run) | {"openpolicystack.run.status": ended.status}
        self._emit(
            run,
            "run",
            run.trace.run_span(run.attempt),
            run.trace.parent_id,
            run.began_ns,
            at,
            attributes,
            events=run.events,
            links=run.links,
            kind=SpanKind.SERVER,
            error=None if ended.status == "completed" else _code(ended.error) or ended.status.upper(),
        )

    def _emit(  # noqa: PLR0913, PLR0917  # what a span is made of
        self,
        run: _OpenRun,
        name: str,
        span_id: str,
        parent_id: str | None,
        began: int,
        ended: int,
        attributes: Attributes,
        *,
        events: Sequence[SpanEvent] = (),
        links: Sequence[Link] = (),
        kind: SpanKind = SpanKind.INTERNAL,
        error: str | None = None,
    ) -> None:
        """Hand a span over. Of an error its code alone is told: its message may show what was sent."""
        is_remote = parent_id is not None and parent_id == run.trace.parent_id
        span = ReadableSpan(
            name,
            context=_context(run.trace, span_id),
            parent=None if parent_id is None else _context(run.trace, parent_id, is_remote=is_remote),
            resource=self._provider.resource,
            attributes=attributes if error is None else {**attributes, "error.type": error},
            events=events,
            links=links,
            kind=kind,
            status=Status(StatusCode.UNSET if error is None else StatusCode.ERROR),
            start_time=min(began, ended),
            end_time=ended,
            instrumentation_scope=_SCOPE,
        )
        self._processor.on_end(span)

    def _is_sampled(self, trace: TraceContext, queued: RunQueued) -> bool:
        """Whether the run is recorded, as OTEL_TRACES_SAMPLER says: unless it is set, if the caller records its own."""
        parent = None
        if trace.parent_id is not None:
            parent = set_span_in_context(NonRecordingSpan(_context(trace, trace.parent_id, is_remote=True)))
        run = _OpenRun(trace, queued, 0)
        sampled = self._provider.sampler.should_sample(parent, int(trace.trace_id, 16), "run", SpanKind.SERVER, _of_run(run))
        return sampled.decision == Decision.RECORD_AND_SAMPLE


def _of_run(run: _OpenRun) -> Attributes:
    attributes: Attributes = {
        "openpolicystack.run.id": run.trace.run_id,
        "openpolicystack.run.attempt": run.attempt,
        "openpolicystack.scenario.id": str(run.queued.request["scenario_id"]),
    }
    related = {"openpolicystack.sweep.id": run.queued.sweep, "openpolicystack.run.reproduces": run.queued.reproduces}
    return attributes | {name: value for name, value in related.items() if value}


def _context(trace: TraceContext, span_id: str, *, is_remote: bool = False) -> SpanContext:
    # Whether it was sampled is decided for the run; the processor takes only what says so itself.
    flags = TraceFlags(int(trace.flags, 16) if is_remote else TraceFlags.SAMPLED)
    return SpanContext(int(trace.trace_id, 16), int(span_id, 16), is_remote=is_remote, trace_flags=flags)


def _code(error: Mapping[str, Any] | None) -> str | None:
    return None if error is None else str(error.get("code"))


def _ns(at: str) -> int:
    return round(datetime.fromisoformat(at).timestamp() * 1000) * 1_000_000
