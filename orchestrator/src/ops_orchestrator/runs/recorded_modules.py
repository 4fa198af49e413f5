"""The modules of a recorded run, for one that calls none: each step is answered with what was recorded for it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from ops_contract import ArtifactRef
from ops_orchestrator.errors import OrchestratorError, StepError
from ops_orchestrator.exchange import Request
from ops_orchestrator.modules.allowance import ByteLimit
from ops_orchestrator.modules.answer import FetchedFile, Readiness, ReceivedArtifact, RemoteFile, SharedFile
from ops_orchestrator.modules.client import ModuleClient
from ops_orchestrator.modules.contract_answer import check_content
from ops_orchestrator.modules.limits import Limits
from ops_orchestrator.modules.module import Module
from ops_orchestrator.modules.staging import StagedFile, staged_file
from ops_orchestrator.modules.transport import Response
from ops_orchestrator.planning.steps import Plan, Step
from ops_orchestrator.runs.record import RunRecord, StepResults
from ops_orchestrator.runs.recorded_exchange import NotRecordedError, RecordedExchange, comparable, recorded_exchange
from ops_orchestrator.runs.store.protocols import StoredRun

NOT_RECORDED: Final = "NOT_RECORDED"
"""The code of a step's failure when there is no recorded answer to what it asks."""

_CHUNK_BYTES: Final = 1024 * 1024


def tried_once(plan: Plan) -> Plan:
    """`plan` with no retries: a recorded answer stays what it is."""
    return Plan(tuple(replace(step, module=step.module.model_copy(update={"retries": 0})) for step in plan.steps))


@dataclass(frozen=True)
class RecordedModules:
    """Answers for the modules of `plan` from `run`, to the run `run_id`. See StepClients."""

    run: StoredRun
    record: RunRecord
    results: Mapping[str, StepResults]
    steps: Mapping[str, Step]
    run_id: str
    limits: Limits

    @classmethod
    def of(cls, run: StoredRun, plan: Plan, run_id: str, limits: Limits) -> "RecordedModules":
        """The recorded modules of `run`. Blocking. Raises NotFoundError, StoreError."""
        steps = {step.id: step for step in plan.steps}
        return cls(run, run.record(), run.results().steps, steps, run_id, limits)

    def of_step(self, step_id: str) -> ModuleClient:
        """See StepClients."""
        step = _RecordedStep(self, self.steps[step_id])
        return ModuleClient(self.limits, step, step, step.take)

    def readiness(self, step_id: str) -> Readiness:
        """What the module of a step stated of itself then."""
        step = next((step for step in self.record.steps if step.id == step_id), None)
        return Readiness(step.module_version, contract_versions=step.contract_versions) if step else Readiness()


@dataclass
class _RecordedStep:
    """Stands in for the module of one step: for the network, for its health check, and for where its artifacts are."""

    modules: RecordedModules
    step: Step
    following: Iterator[tuple[int, Mapping[str, str], bytes]] | None = None

    def known(self, module: Module) -> Readiness:  # noqa: ARG002  # of one step
        """See HealthChecks."""
        return self.modules.readiness(self.step.id)

    async def share(self, module: Module, check: Callable[[], Coroutine[Any, Any, Readiness]]) -> Readiness:  # noqa: ARG002  # as above
        """See HealthChecks."""
        return self.known(module)

    def forget(self, module: Module) -> None:
        """See HealthChecks."""

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes, *, limit: int) -> Response:  # noqa: ARG002  # kept within it
        """See Transport. Raises StepError when the request is not the one that was recorded, or has no answer."""
        try:
            if self.following is None:
                exchange = await asyncio.to_thread(self._answer, method, url, headers, body)
                self.following = exchange.answers()
            answer = next(self.following, None)
        except (NotRecordedError, OrchestratorError) as error:
            raise self._missing(str(error)) from error
        if answer is None:
            raise self._missing(f"has no more answers to step {self.step.id!r}")
        status, known, content = answer
        return Response(url=url, status=status, headers=known, chunks=_one_chunk(content), aclose=_nothing)

    async def aclose(self) -> None:
        """See Transport."""

    async def take(
        self, source: FetchedFile | SharedFile, module: Module, staging: Path | None, limit: ByteLimit
    ) -> ReceivedArtifact:
        """The artifact of the step with the name of `source`, from the run. See TakeArtifact."""
        async with staged_file(staging) as target:
            try:
                recorded_type = await asyncio.to_thread(self._copy, source.name, target, limit)
            except OSError as error:
                raise self._missing(f"has the artifact {source.name!r}, which cannot be read: {error.strerror}") from error
            except (NotRecordedError, OrchestratorError) as error:
                raise self._missing(str(error)) from error
        described = {"name": source.name, "media_type": source.media_type or recorded_type}
        received = ArtifactRef(**described, size_bytes=target.size_bytes, sha256=target.sha256)
        if isinstance(source, RemoteFile):
            check_content(source.ref, target.size_bytes, target.sha256, module)
        return ReceivedArtifact(received, target.path, source.caption)

    def _answer(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> RecordedExchange:
        modules, module = self.modules, self.step.module
        exchange = recorded_exchange(modules.run, modules.record, module, self.step.id)
        ours, theirs = modules.run_id, modules.record.run_id
        as_then = Request(
            method=method,
            path=url.replace(ours, theirs),
            headers={name: text.replace(ours, theirs) for name, text in headers.items()},
            body=body.replace(ours.encode(), theirs.encode()),
        )
        if difference := exchange.differs_from(comparable(module, as_then, as_then.path)):
            raise NotRecordedError(f"was asked something else in step {self.step.id!r}: the request differs {difference}")
        return exchange

    def _copy(self, name: str, target: StagedFile, limit: ByteLimit) -> str:
        """Copy the artifact, and return its media type."""
        results = self.modules.results.get(self.step.id)
        artifact = next((each for each in (results.artifacts if results else ()) if each.name == name), None)
        if artifact is None or artifact.path is None:
            raise NotRecordedError(f"did not keep the artifact {name!r} of step {self.step.id!r}")
        with closing(self.modules.run.open(artifact.path)) as opened:
            while chunk := opened.file.read(_CHUNK_BYTES):
                if target.size_bytes + len(chunk) > limit.bytes:
                    raise NotRecordedError(f"has an artifact {name!r} of more than the {limit.bytes} bytes {limit.reason}")
                target.write(chunk)
        target.complete()
        if target.sha256 != artifact.sha256:
            raise NotRecordedError(f"has another artifact {name!r} than its record says")
        return artifact.media_type

    def _missing(self, reason: str) -> StepError:
        run_id = self.modules.record.run_id
        text = reason if reason.startswith(run_id) else f"{run_id} {reason}"
        return StepError.of(self.step.module.name, NOT_RECORDED, f"cannot be answered for: {text}")


async def _one_chunk(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def _nothing() -> None:
    """There is no connection to close."""
