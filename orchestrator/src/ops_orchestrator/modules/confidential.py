"""Masks the secrets of a call in all that it leaves behind. What leaves this package has been through here."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import parse_qsl

from ops_contract import MASK, SuccessEnvelope, is_secret
from ops_orchestrator.errors import Failure, StepError
from ops_orchestrator.exchange import Exchange, Job, Request
from ops_orchestrator.masking import Secrets, TooManySecretsError
from ops_orchestrator.modules.answer import Answer, Caption, Readiness, ReceivedArtifact, shortened_version
from ops_orchestrator.modules.module import Module
from ops_orchestrator.modules.sent_body import fields_of


def secrets_of(module: Module, request: Request) -> Secrets:
    """The secrets of the module's entry, and those in the headers, the query and the form fields of `request`."""
    headers = [value for name, value in request.headers.items() if module.is_secret_header(name)]
    cookies = [
        pair.partition("=")[2]
        for name, value in request.headers.items()
        if name.lower() == "cookie"
        for pair in value.split(";")
    ]
    query = request.path.partition("?")[2]
    parameters = [value for name, value in parse_qsl(query) if is_secret(name)] if query else []
    fields = [value for name, value in fields_of(request.body, request.content_type) if is_secret(name)]
    found = headers + cookies + parameters + fields
    return module.secrets | Secrets.of(found) if found else module.secrets


def masked_headers(headers: Mapping[str, str], module: Module, secrets: Secrets) -> dict[str, str]:
    """`headers` of a request or of its answer as they may be shown."""
    return {name: MASK if module.is_secret_header(name) else secrets.masked_text(value) for name, value in headers.items()}


def masked_exchange(exchange: Exchange, module: Module, secrets: Secrets) -> Exchange:
    """`exchange` as it may be kept. Its hashes are those of the bytes that it has now."""
    job = exchange.job and _masked_job(exchange.job, module, secrets)
    if not secrets and not any(map(module.is_secret_header, (*exchange.request_headers, *exchange.headers))):
        return exchange if job is exchange.job else replace(exchange, job=job)
    return replace(
        exchange,
        url=secrets.masked_text(exchange.url),
        request_headers=masked_headers(exchange.request_headers, module, secrets),
        request=secrets.masked_bytes(exchange.request),
        headers=masked_headers(exchange.headers, module, secrets),
        response=secrets.masked_bytes(exchange.response),
        job=job,
    )


def _masked_job(job: Job, module: Module, secrets: Secrets) -> Job:
    asks = tuple(replace(ask, problem=ask.problem and secrets.masked_message(ask.problem)) for ask in job.last_asks)
    submitted = masked_exchange(job.submitted, module, secrets)
    done = job.done and masked_exchange(job.done, module, secrets)
    return replace(job, submitted=submitted, done=done, url=secrets.masked_text(job.url), last_asks=asks)


def masked_envelope(envelope: SuccessEnvelope, secrets: Secrets) -> SuccessEnvelope:
    """`envelope` as it may be kept. Its `module` is the name by which the operator knows it, and stays.

    Raises StepError when secrets stand in it too often.
    """
    if not secrets:
        return envelope
    parts = ("version", "outputs", "evidence", "warnings", "meta")
    with _bounded(envelope.module):
        masked = {name: secrets.masked(getattr(envelope, name)) for name in parts}
    changed = {name: part for name, part in masked.items() if part is not getattr(envelope, name)}
    return envelope.model_copy(update=changed) if changed else envelope


def masked_artifacts(artifacts: tuple[ReceivedArtifact, ...], module: Module, secrets: Secrets) -> tuple[ReceivedArtifact, ...]:
    """`artifacts` as they may be kept: what their module says of them for people, and not their bytes.

    Raises StepError when secrets stand in it too often.
    """
    if not secrets:
        return artifacts
    with _bounded(module.name):
        return tuple(
            replace(each, caption=Caption(secrets.masked(each.caption.title), secrets.masked(each.caption.description)))
            for each in artifacts
        )


def masked_readiness(readiness: Readiness, module: Module, secrets: Secrets) -> Readiness:
    """What a health check found, as it may be shown. Raises StepError when secrets stand in it too often."""
    with _bounded(module.name):
        return Readiness(
            version=shortened_version(secrets.masked(readiness.version)),
            status=secrets.masked(readiness.status),
            contract_versions=secrets.masked(readiness.contract_versions),
            profiles=secrets.masked(readiness.profiles),
        )


def masked_failure(failure: Failure, secrets: Secrets) -> Failure:
    """`failure` as it may be shown."""
    try:
        details = secrets.masked(failure.module_error)
    except TooManySecretsError:
        details = None
    if secrets and details and isinstance(details.get("message"), str):
        details = {**details, "message": secrets.masked_message(details["message"])}
    return replace(failure, message=secrets.masked_message(failure.message), module_error=details)


@contextmanager
def masked_errors(secrets: Secrets) -> Iterator[None]:
    """Mask the StepError that the block raises."""
    try:
        yield
    except StepError as error:
        if not secrets:
            raise
        # Without the original error, which may show a secret.
        raise StepError(masked_failure(error.failure, secrets), error.exchange, unsent=error.unsent) from None


def refuse_secret_names(answer: Answer, module: Module, secrets: Secrets) -> None:
    """Raise the StepError of an answer with a secret in the name or type of an artifact, neither of which can be changed."""
    for source in answer.sources if secrets else ():
        described = (source.name, source.media_type)
        with _bounded(module.name):
            differs = secrets.masked(described) != described
        if differs:
            message = f"names an artifact with a secret in its name or type: {secrets.masked_text(source.name)!r}"
            raise StepError.of(module.name, "INVALID_ANSWER", message)


@contextmanager
def _bounded(module: str) -> Iterator[None]:
    try:
        yield
    except TooManySecretsError as error:
        raise StepError.of(module, "INVALID_ANSWER", str(error)) from error
