"""From the answer of a module that does not speak the contract to an envelope, or to the failure that it is."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from ops_contract import (
    JsonError,
    NumberError,
    ShapeError,
    SuccessEnvelope,
    TooManyValuesError,
    check_numbers,
    parse_json,
    validate,
    violations,
)
from ops_orchestrator.errors import StepError
from ops_orchestrator.exchange import Exchange
from ops_orchestrator.modules.adapters.artifact_sources import ArtifactSources
from ops_orchestrator.modules.adapters.body import error_text, is_text, text_of
from ops_orchestrator.modules.adapters.declaration import Action
from ops_orchestrator.modules.adapters.evaluation import Evaluation, kind_of
from ops_orchestrator.modules.adapters.evidence import evidence_of
from ops_orchestrator.modules.adapters.evidence_mapping import EvidenceMapping
from ops_orchestrator.modules.adapters.expression import MOST_CHARACTERS, Room
from ops_orchestrator.modules.adapters.failures import Failures, invalid_answer
from ops_orchestrator.modules.answer import Answer, ArtifactSource, too_many_values


def map_answer(action: Action, root: Path | None, evaluation: Evaluation, exchange: Exchange) -> Answer:
    """The answer of a successful call. Raises StepError for a failed one, and for a mapping that cannot be used.

    `evaluation` has the context of the request; `root` is the volume from which files may be taken.
    """
    body, problem = _body(action, exchange, evaluation.module)
    response = {"status": exchange.status, "headers": dict(exchange.headers), "body": body}
    room = Room(exchange.max_values, 2 * max(MOST_CHARACTERS, len(exchange.response)))
    answered = replace(evaluation, context={**evaluation.context, "response": response}, room=room)
    mapping = _AnswerMapping(action, answered, exchange)
    mapping.refuse_failures(problem)
    sources, fields = tuple(ArtifactSources(action, root, answered, exchange).all()), mapping.written_fields()
    # The body may be large, and what follows makes values of the same size again.
    del body, response, answered, mapping
    return Answer(_envelope(fields, sources, action, evaluation, exchange.max_values), sources)


def _body(action: Action, exchange: Exchange, module: str) -> tuple[Any, str | None]:
    """The body as expressions see it, and why it is not JSON where a good answer has to be."""
    if exchange.is_success and action.answer == "text":
        return text_of(exchange), None
    if exchange.is_success and action.answer == "binary":
        return None, None
    try:
        return exchange.json(), None
    except TooManyValuesError as error:
        if exchange.is_success:
            raise too_many_values(module, exchange) from error
        return None, None
    except JsonError as error:
        return text_of(exchange) if is_text(exchange) else None, str(error)


class _AnswerMapping:
    """One answer while it is mapped."""

    def __init__(self, action: Action, evaluation: Evaluation, exchange: Exchange) -> None:
        self._action = action
        self._evaluation = evaluation
        self._exchange = exchange
        self._body = evaluation.context["response"]["body"]

    def refuse_failures(self, problem: str | None) -> None:
        """Raise the StepError of an answer that is not a success; `problem` says why its body is not JSON."""
        failures = Failures(self._action.failure, self._evaluation, self._exchange)
        failures.refuse_status()
        if problem is not None:
            raise self._no_json(problem)
        failures.refuse_declared()

    def written_fields(self) -> bytes:
        """The fields of the envelope made of the answer, as JSON; without its artifacts."""
        fields = {
            "status": "success",
            "module": self._evaluation.module,
            "version": self._evaluation.text("version", self._action.version),
            "outputs": self._outputs(),
            "evidence": evidence_of(self._action.evidence, self._evaluation),
            "warnings": self._warnings(),
        }
        try:
            return json.dumps(fields).encode()
        except RecursionError as error:
            raise self._evaluation.failure("outputs", f"does not yield what JSON can carry: {error}") from error

    def _outputs(self) -> dict[str, Any]:
        if self._action.outputs is None:
            if self._action.answer != "json":
                return {}
            outputs, example = self._body, "response.body"
        else:
            outputs, example = self._evaluation.required("outputs", self._action.outputs), self._action.outputs.text.strip()
        if not isinstance(outputs, dict):
            hint = f'declare outputs like {{"items": {example}}}'
            raise self._evaluation.failure("outputs", f"must yield an object, not {kind_of(outputs)}; {hint}")
        return outputs

    def _warnings(self) -> list[str]:
        value = self._evaluation.value("warnings", self._action.warnings)
        items = value if isinstance(value, list) else [] if value is None else [value]
        return [self._evaluation.as_text("warnings", item) for item in items]

    def _no_json(self, problem: str) -> StepError:
        exchange = self._exchange
        media_type = exchange.media_type or "no content type"
        hint = "; if that is a good answer, declare answer: text or binary"
        if not exchange.response:
            reason = f"has no body{hint}"
        elif "json" in media_type:
            reason = f"is not JSON as it should be: {problem}"
        else:
            reason = f"is {exchange.status} with {media_type}, not JSON: {error_text(exchange)}{hint}"
        return invalid_answer(exchange, self._evaluation, reason)


def _envelope(
    written: bytes, sources: tuple[ArtifactSource, ...], action: Action, evaluation: Evaluation, max_values: int
) -> SuccessEnvelope:
    """The envelope with these fields, without its artifacts."""
    try:
        # From JSON: what no JSON can carry must not get further, such as half a surrogate pair or endless depth.
        envelope = validate(SuccessEnvelope, parse_json(written, max_values=max_values), "the mapped envelope")
    except JsonError as error:
        raise evaluation.failure("outputs", f"does not yield what JSON can carry: {error}") from error
    except ShapeError as error:
        blamed = _blamed(error)
        reason = f"does not yield what an envelope needs: {error}{_shown(blamed, action)}"
        raise evaluation.failure(blamed, reason) from error
    for blamed, value in (("outputs", envelope.outputs), ("evidence", [item.details for item in envelope.evidence])):
        try:
            check_numbers(value)
        except NumberError as error:
            reason = f"yields a number that cannot be kept exactly: {error}{_shown(blamed, action)}"
            raise evaluation.failure(blamed, reason) from error
    # The checks look at names only; the bytes are not there yet.
    announced = SuccessEnvelope.model_construct(**{**dict(envelope), "artifacts": sources})
    if broken := violations(announced, module=evaluation.module):
        blamed = broken[0].pointer.partition("/")[2].partition("/")[0]
        message = f"is mapped to an envelope that breaks {'; '.join(map(str, broken))}{_shown(blamed, action)}"
        raise StepError.of(evaluation.module, "MAPPING_FAILED", message, requirement=broken[0].requirement)
    return envelope


def _shown(part: str, action: Action) -> str:
    """The expression from which evidence is made, to follow a message about it."""
    if part != "evidence" or action.evidence is None:
        return ""
    declared = action.evidence
    return f"; evidence is made from {declared.each.text if isinstance(declared, EvidenceMapping) else declared.text}"


def _blamed(error: ShapeError) -> str:
    """The part of the declaration that a field of the envelope comes from."""
    return error.problems[0].pointer.split("/")[1]
