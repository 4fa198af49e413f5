"""Reads the answers of a module that follows the contract: bytes in, health or envelope out.

A StepError says what is wrong with the bytes.
"""

from typing import Any, Final

from ops_contract import (
    CONTRACT_VERSION,
    AnswerJudgement,
    Artifact,
    ArtifactRef,
    ErrorEnvelope,
    Health,
    JsonError,
    ShapeError,
    TooManyValuesError,
    content_violation,
    is_supported,
    judge_answer,
    validate,
)
from ops_orchestrator.errors import Failure, StepError
from ops_orchestrator.exchange import Exchange
from ops_orchestrator.modules.answer import Answer, ArtifactSource, Caption, InlineFile, Readiness, RemoteFile, too_many_values
from ops_orchestrator.modules.module import Module

_SHOWN_BYTES: Final = 200
_SHOWN_VIOLATIONS: Final = 3


def read_health(exchange: Exchange, module: Module) -> Readiness:
    """Read a health check. Raises StepError; retryable when the module may become ready by itself."""
    if exchange.status != 200:
        code, retryable = "MODULE_NOT_READY", exchange.may_become_ready
        hint = "" if retryable else "; see that its url in modules.yaml is right"
        raise StepError.of(module.name, code, f"answers {exchange.status} at {exchange.url}{hint}", retryable=retryable)
    try:
        health = validate(Health, exchange.json(), "health")
    except (JsonError, ShapeError) as error:
        message = f"does not answer {exchange.url} as the contract says: {error}"
        raise StepError.of(module.name, "INVALID_ANSWER", message, requirement="OPS-HLT-002") from error
    if health.module != module.name:
        remedy = f"correct its url in modules.yaml, or name the entry {health.module!r}"
        message = f"is registered at {module.url}, but {health.module!r} answers there; {remedy}"
        raise StepError.of(module.name, "INVALID_ANSWER", message)
    if health.contract_versions and not any(map(is_supported, health.contract_versions)):
        served = ", ".join(health.contract_versions)
        message = f"serves contract {served}, this orchestrator uses {CONTRACT_VERSION}"
        raise StepError.of(module.name, "UNSUPPORTED_CONTRACT", message)
    return Readiness(health.version, health.status, health.contract_versions, health.profiles)


def read_answer(exchange: Exchange, module: Module) -> Answer:
    """The answer of a successful call. Raises StepError for everything else, among it a module's own error."""
    judgement = judge_answer(_json(exchange, module), module=module.name)
    envelope = judgement.envelope
    if envelope is None:
        raise _invalid(exchange, module, f"is not an envelope: {_listed(judgement)}", judgement.violations[0].requirement)
    if (envelope.status == "success") != (exchange.status == 200):
        text = f"has the envelope status {envelope.status!r} with the HTTP status {exchange.status}"
        raise _invalid(exchange, module, text, "OPS-ERR-008")
    if judgement.violations:
        raise _invalid(exchange, module, f"breaks {_listed(judgement)}", judgement.violations[0].requirement)
    if isinstance(envelope, ErrorEnvelope):
        raise _refused(envelope, module)
    return Answer(envelope, tuple(_source(artifact, module) for artifact in envelope.artifacts))


def check_content(ref: ArtifactRef, size_bytes: int, sha256: str, module: Module) -> None:
    """Raise the StepError of an artifact whose bytes do not match `ref`; `size_bytes` and `sha256` are as measured."""
    if violation := content_violation(ref, size_bytes, sha256):
        message = f"sends an artifact that is not what it says: {violation.message}"
        raise StepError.of(module.name, "INVALID_ANSWER", message, requirement=violation.requirement)


def _source(artifact: Artifact, module: Module) -> ArtifactSource:
    content, caption = artifact.inline_content, Caption(artifact.title, artifact.description)
    if content is None:
        return RemoteFile(artifact.ref, artifact.href, caption)
    file = InlineFile(artifact.name, artifact.media_type, content, caption)
    check_content(artifact, file.ref.size_bytes, file.ref.sha256, module)
    return file


def _json(exchange: Exchange, module: Module) -> Any:
    if exchange.redirect:
        raise _invalid(exchange, module, exchange.redirect, None)
    if exchange.media_type != "application/json":
        text = f"is {exchange.status} with {exchange.media_type or 'no content type'}, not an envelope: {_start(exchange)}"
        raise _invalid(exchange, module, text, "OPS-EXE-006")
    try:
        return exchange.json()
    except TooManyValuesError as error:
        raise too_many_values(module.name, exchange) from error
    except JsonError as error:
        raise _invalid(exchange, module, f"is not JSON as it should be: {error}", "OPS-EXE-004") from error


def _refused(envelope: ErrorEnvelope, module: Module) -> StepError:
    error = envelope.error
    where = f" (at {error.pointer})" if error.pointer and error.pointer not in error.message else ""
    message = f"{module.name} answers {error.code}{where}: {error.message}"
    details = error.model_dump(exclude_none=True, exclude_defaults=True)
    return StepError(
        Failure(code="MODULE_ERROR", message=message, module=module.name, retryable=error.retryable, module_error=details)
    )


def _invalid(exchange: Exchange, module: Module, text: str, requirement: str | None) -> StepError:
    message = f"answers against the contract: the answer of {exchange.url} {text}"
    retryable = exchange.is_retryable
    return StepError.of(module.name, "INVALID_ANSWER", message, retryable=retryable, requirement=requirement)


def _listed(judgement: AnswerJudgement) -> str:
    first = "; ".join(map(str, judgement.violations[:_SHOWN_VIOLATIONS]))
    more = len(judgement.violations) - _SHOWN_VIOLATIONS
    return f"{first}; and {more} more" if more > 0 else first


def _start(exchange: Exchange) -> str:
    text = exchange.response[:_SHOWN_BYTES].decode(errors="replace")
    return repr(text if len(exchange.response) <= _SHOWN_BYTES else f"{text}...")
