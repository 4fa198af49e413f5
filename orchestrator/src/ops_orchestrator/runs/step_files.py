"""What a step leaves in the folder of its run: its result, its exchange, its artifacts. Pure: the store writes them."""

from typing import Any

from ops_contract import JsonError
from ops_orchestrator.exchange import Exchange
from ops_orchestrator.modules.answer import ReceivedArtifact
from ops_orchestrator.modules.attempt import Answered
from ops_orchestrator.modules.sent_body import shown_body
from ops_orchestrator.planning.steps import Step
from ops_orchestrator.runs.job_document import job_document
from ops_orchestrator.runs.json_text import json_document, json_line, json_text
from ops_orchestrator.runs.record import (
    ANSWER_HEADERS,
    JOB,
    MAPPED_REQUEST,
    REQUEST,
    ArtifactRecord,
    StepResults,
    artifacts_folder,
    request_name,
    response_name,
    result_name,
    step_folder,
)
from ops_orchestrator.runs.run_file import FileRef, RunFile


def step_results(step: Step, answered: Answered, *, keep_artifacts: bool) -> StepResults:
    """The full form of what the step answered."""
    envelope = answered.envelope
    return StepResults.model_construct(
        module=envelope.module,
        outputs=envelope.outputs,
        artifacts=tuple(_artifact_record(step, artifact, keep=keep_artifacts) for artifact in answered.artifacts),
        evidence=envelope.evidence,
        warnings=envelope.warnings,
    )


def completed_files(step: Step, answered: Answered, results: StepResults, *, keep_artifacts: bool) -> tuple[RunFile, ...]:
    """The files of a step that is completed."""
    artifacts = (_artifact_file(step, artifact) for artifact in answered.artifacts if keep_artifacts)
    holds_artifacts = step.module.answer_holds_artifacts(step.action)
    folder = step_folder(step.number, step.id)
    exchange = exchange_files(step, answered.exchange, folder, keep_artifacts=keep_artifacts, holds_artifacts=holds_artifacts)
    # Not indented: results.json has it for people, and to write it twice takes time.
    return (*artifacts, *exchange, RunFile.of(result_name(step.number, step.id), json_text(results)))


def exchange_files(
    step: Step, exchange: Exchange, folder: str, *, keep_artifacts: bool, holds_artifacts: bool = False
) -> tuple[RunFile, ...]:
    """The files of one exchange of a step, in `folder`. `holds_artifacts` says that its answer has bytes of artifacts."""
    adapted = step.module.adapter is not None
    response = f"{folder}/{response_name(exchange.media_type)}"
    files = []
    if adapted:
        # An adapter may read any header of an answer.
        files.append(RunFile.of(f"{folder}/{MAPPED_REQUEST}", _mapped_request(exchange)))
        files.append(RunFile.of(f"{folder}/{ANSWER_HEADERS}", _answer_headers(exchange)))
    if exchange.job is not None:
        files.append(RunFile.of(f"{folder}/{JOB}", json_document(job_document(exchange.job))))
    if exchange.request:
        request = request_name(exchange.request_content_type) if adapted else REQUEST
        files.append(RunFile.of(f"{folder}/{request}", exchange.request, exchange.request_sha256))
    if keep_artifacts or (adapted and not holds_artifacts):
        files.append(RunFile.of(response, exchange.response, exchange.response_sha256))
    elif not adapted:
        files.append(RunFile.of(response, _without_contents(exchange)))
    return tuple(files)


def attempt_folder(step: Step, attempt: int) -> str:
    """Where the exchange of an attempt is stored that was not the last."""
    return f"{step_folder(step.number, step.id)}/attempts/{attempt}"


def _artifact_record(step: Step, artifact: ReceivedArtifact, *, keep: bool) -> ArtifactRecord:
    ref = artifact.ref
    return ArtifactRecord.model_construct(
        name=ref.name,
        media_type=ref.media_type,
        size_bytes=ref.size_bytes,
        sha256=ref.sha256,
        path=f"{artifacts_folder(step.id)}/{ref.name}" if keep else None,
        title=artifact.caption.title,
        description=artifact.caption.description,
    )


def _artifact_file(step: Step, artifact: ReceivedArtifact) -> RunFile:
    assert artifact.content is not None  # noqa: S101  # artifacts of this run are kept
    ref = FileRef(f"{artifacts_folder(step.id)}/{artifact.ref.name}", artifact.ref.sha256, artifact.ref.size_bytes)
    return RunFile(ref, artifact.content)


def _mapped_request(exchange: Exchange) -> bytes:
    """What an adapter made of a call, for people: also of a call without a body."""
    request: dict[str, Any] = {"method": exchange.method, "url": exchange.url, "headers": dict(exchange.request_headers)}
    return json_document(request | shown_body(exchange.request, exchange.request_content_type))


def _answer_headers(exchange: Exchange) -> bytes:
    # A header may hold bytes that are no text.
    return json_document({name: value.encode(errors="replace").decode() for name, value in exchange.headers.items()})


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
