"""From the answer of a module that does not speak the contract to an envelope, or to the failure that it is."""

import base64
import binascii
import json
import mimetypes
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from email.message import Message
from email.utils import collapse_rfc2231_value
from pathlib import Path, PurePosixPath
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from ops_contract import (
    LONGEST_DESCRIPTION,
    LONGEST_TITLE,
    ArtifactName,
    ArtifactRef,
    JsonError,
    NumberError,
    ShapeError,
    SuccessEnvelope,
    TooManyValuesError,
    check_numbers,
    parse_json,
    unstorable_names,
    validate,
    violations,
)
from ops_orchestrator.errors import Failure, StepError
from ops_orchestrator.exchange import Exchange
from ops_orchestrator.modules.adapters.body import error_text, is_text, text_of
from ops_orchestrator.modules.adapters.declaration import Action, ArtifactMapping
from ops_orchestrator.modules.adapters.evaluation import Evaluation, is_true, kind_of
from ops_orchestrator.modules.adapters.evidence import evidence_of
from ops_orchestrator.modules.adapters.expression import MOST_CHARACTERS, Expression, Room
from ops_orchestrator.modules.answer import Answer, Caption, InlineFile, SharedFile, too_many_values

_NAME: Final[TypeAdapter[str]] = TypeAdapter(ArtifactName)
_SHA256: Final = re.compile(r"(?:sha-?256:)?([0-9a-f]{64})", re.IGNORECASE)
_TYPE: Final = re.compile(r"[\w.+-]+/[\w.+-]+", re.ASCII)
_UNKNOWN_TYPE: Final = "application/octet-stream"


def map_answer(action: Action, root: Path | None, evaluation: Evaluation, exchange: Exchange) -> Answer:
    """The answer of a successful call. Raises StepError for a failed one, and for a mapping that cannot be used.

    `evaluation` has the context of the request; `root` is the volume from which files may be taken.
    """
    body, problem = _body(action, exchange, evaluation.module)
    response = {"status": exchange.status, "headers": dict(exchange.headers), "body": body}
    room = Room(exchange.max_values, 2 * max(MOST_CHARACTERS, len(exchange.response)))
    answered = replace(evaluation, context={**evaluation.context, "response": response}, room=room)
    mapping = _AnswerMapping(action, root, answered, exchange)
    mapping.refuse_failures(problem)
    sources, fields = tuple(mapping.sources()), mapping.written_fields()
    # The body may be large, and what follows makes values of the same size again.
    del body, response, answered, mapping
    return Answer(_envelope(fields, sources, evaluation, exchange.max_values), sources)


def _body(action: Action, exchange: Exchange, module: str) -> tuple[Any, str | None]:
    """The body as expressions see it, and why it is not JSON where a good answer has to be."""
    if _is_good(exchange) and action.answer == "text":
        return text_of(exchange), None
    if _is_good(exchange) and action.answer == "binary":
        return None, None
    try:
        return exchange.json(), None
    except TooManyValuesError as error:
        if _is_good(exchange):
            raise too_many_values(module, exchange) from error
        return None, None
    except JsonError as error:
        return text_of(exchange) if is_text(exchange) else None, str(error)


def _is_good(exchange: Exchange) -> bool:
    return 200 <= exchange.status < 300


class _AnswerMapping:
    """One answer while it is mapped."""

    def __init__(self, action: Action, root: Path | None, evaluation: Evaluation, exchange: Exchange) -> None:
        self._action = action
        self._root = root
        self._evaluation = evaluation
        self._exchange = exchange
        self._body = evaluation.context["response"]["body"]

    def refuse_failures(self, problem: str | None) -> None:
        """Raise the StepError of an answer that is not a success; `problem` says why its body is not JSON."""
        if self._exchange.redirect:
            raise self._invalid(self._exchange.redirect)
        if not _is_good(self._exchange):
            raise self._failed()
        if problem is not None:
            raise self._no_json(problem)
        if is_true(self._evaluation.value("failure.when", self._action.failure.when)):
            raise self._failed()

    def written_fields(self) -> bytes:
        """The fields of the envelope made of the answer, as JSON; without its artifacts."""
        fields = {
            "status": "success",
            "module": self._evaluation.module,
            "version": self._evaluation.text("version", self._action.version),
            "outputs": self._outputs(),
            "evidence": evidence_of(self._evaluation.value("evidence", self._action.evidence)),
            "warnings": self._warnings(),
        }
        try:
            return json.dumps(fields).encode()
        except RecursionError as error:
            raise self._evaluation.failure("outputs", f"does not yield what JSON can carry: {error}") from error

    def sources(self) -> Iterator[InlineFile | SharedFile]:
        """Where the artifacts are, in the order of the declaration; files of one name keep their folders in it."""
        sources = list(self._declared_sources())
        names = Counter(source.name.casefold() for source in sources)
        for source in sources:
            twice = names[source.name.casefold()] > 1
            below = _below(source) if twice and isinstance(source, SharedFile) else None
            yield replace(source, name=below) if below and isinstance(source, SharedFile) else source

    def _declared_sources(self) -> Iterator[InlineFile | SharedFile]:
        for index, mapping in enumerate(self._action.artifacts):
            where = f"artifacts[{index}]"
            if mapping.each is None:
                yield self._source(where, mapping, self._evaluation)
                continue
            items = self._evaluation.value(f"{where}.each", mapping.each)
            for item in items if isinstance(items, list) else [] if items is None else [items]:
                yield self._source(where, mapping, self._evaluation.with_item(item))

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

    def _source(self, where: str, mapping: ArtifactMapping, evaluation: Evaluation) -> InlineFile | SharedFile:
        name = (
            None
            if mapping.name is None
            else evaluation.as_text(f"{where}.name", evaluation.required(f"{where}.name", mapping.name))
        )
        media_type = evaluation.text(f"{where}.media_type", mapping.media_type)
        source: InlineFile | SharedFile
        if mapping.path is not None and self._root is not None:
            path = evaluation.as_text(f"{where}.path", evaluation.required(f"{where}.path", mapping.path))
            name = name or PurePosixPath(path).name
            if name in ("", ".."):
                raise evaluation.failure(f"{where}.path", f"yields {path!r}, which names no file")
            source = SharedFile(name, media_type or _guessed(name), path, self._root, self._sha256(where, mapping, evaluation))
        else:
            name = name or self._name_of_answer()
            content = self._content(where, mapping, evaluation)
            own_type = self._exchange.media_type if mapping.is_answer and _TYPE.fullmatch(self._exchange.media_type) else ""
            source = InlineFile(name, media_type or own_type or _guessed(name), content)
        _refuse_unusable(where, source, evaluation)
        return replace(source, caption=_caption(where, mapping, evaluation))

    def _content(self, where: str, mapping: ArtifactMapping, evaluation: Evaluation) -> bytes:
        if mapping.text is not None:
            value = evaluation.required(f"{where}.text", mapping.text)
            if isinstance(value, dict | list):
                raise evaluation.failure(f"{where}.text", f"must yield text; write $string({mapping.text.text}, true)")
            return evaluation.as_text(f"{where}.text", value).encode()
        if mapping.base64 is None:
            return self._exchange.response
        value = evaluation.as_text(f"{where}.base64", evaluation.required(f"{where}.base64", mapping.base64))
        try:
            return base64.b64decode("".join(value.split()), validate=True)
        except (binascii.Error, ValueError) as error:
            raise evaluation.failure(f"{where}.base64", f"does not yield base64: {error}") from error

    def _sha256(self, where: str, mapping: ArtifactMapping, evaluation: Evaluation) -> str | None:
        digest = evaluation.text(f"{where}.sha256", mapping.sha256)
        if not digest:
            return None
        found = _SHA256.fullmatch(digest.strip())
        if found is None:
            raise evaluation.failure(f"{where}.sha256", f"yields {digest!r}, which is not a SHA-256 digest in hex")
        return found[1].lower()

    def _name_of_answer(self) -> str:
        """The name in Content-Disposition (RFC 6266), else one made of the action; never with a folder in it."""
        given = PurePosixPath(_file_name(self._exchange).replace("\\", "/")).name
        if _can_be_stored(given):
            return given
        return f"{self._evaluation.action}{mimetypes.guess_extension(self._exchange.media_type) or '.bin'}"

    def _failed(self) -> StepError:
        evaluation, mapping, status = self._evaluation, self._action.failure, self._exchange.status
        code = self._failure_text("failure.code", mapping.code) or ("" if _is_good(self._exchange) else str(status))
        message = self._failure_text("failure.message", mapping.message) or error_text(self._exchange)
        retryable = self._retryable(mapping.retryable)
        details = {"status": status, "message": message} | ({"code": code} if code else {})
        return StepError(
            Failure(
                code="MODULE_ERROR",
                message=f"{evaluation.module} answers {f'{code}: ' if code else 'with an error: '}{message}",
                module=evaluation.module,
                retryable=retryable,
                module_error=details,
            )
        )

    def _retryable(self, expression: Expression | None) -> bool:
        with suppress(StepError):  # as below
            value = self._evaluation.value("failure.retryable", expression)
            if value is not None:
                return is_true(value)
        return self._exchange.is_retryable

    def _failure_text(self, where: str, expression: Expression | None) -> str | None:
        """The text that a mapping makes of a failure; a mapping that cannot be used must not hide the failure itself."""
        try:
            return " ".join((self._evaluation.text(where, expression) or "").split()) or None
        except StepError as error:
            return f"{error_text(self._exchange)} ({error.failure.message})" if where == "failure.message" else None

    def _no_json(self, problem: str) -> StepError:
        media_type = self._exchange.media_type or "no content type"
        hint = "; if that is a good answer, declare answer: text or binary"
        if not self._exchange.response:
            return self._invalid(f"has no body{hint}")
        if "json" in media_type:
            return self._invalid(f"is not JSON as it should be: {problem}")
        return self._invalid(f"is {self._exchange.status} with {media_type}, not JSON: {error_text(self._exchange)}{hint}")

    def _invalid(self, text: str) -> StepError:
        message = f"answers what cannot be used: the answer of {self._exchange.url} {text}"
        return StepError.of(self._evaluation.module, "INVALID_ANSWER", message)


def _envelope(
    written: bytes, sources: tuple[InlineFile | SharedFile, ...], evaluation: Evaluation, max_values: int
) -> SuccessEnvelope:
    """The envelope with these fields, without its artifacts."""
    try:
        # From JSON: what no JSON can carry must not get further, such as half a surrogate pair or endless depth.
        envelope = validate(SuccessEnvelope, parse_json(written, max_values=max_values), "the mapped envelope")
    except JsonError as error:
        raise evaluation.failure("outputs", f"does not yield what JSON can carry: {error}") from error
    except ShapeError as error:
        raise evaluation.failure(_blamed(error), f"does not yield what an envelope needs: {error}") from error
    try:
        check_numbers(envelope.outputs)
    except NumberError as error:
        raise evaluation.failure("outputs", f"yields a number that cannot be kept exactly: {error}") from error
    # The checks look at names only; the bytes are not there yet.
    announced = SuccessEnvelope.model_construct(**{**dict(envelope), "artifacts": sources})
    if broken := violations(announced, module=evaluation.module):
        message = f"is mapped to an envelope that breaks {'; '.join(map(str, broken))}"
        raise StepError.of(evaluation.module, "MAPPING_FAILED", message, requirement=broken[0].requirement)
    return envelope


def _caption(where: str, mapping: ArtifactMapping, evaluation: Evaluation) -> Caption:
    """What the mapping says of an artifact for people, cut where the contract allows no more."""
    title = evaluation.text(f"{where}.title", mapping.title)
    description = evaluation.text(f"{where}.description", mapping.description)
    return Caption((title or "")[:LONGEST_TITLE] or None, (description or "")[:LONGEST_DESCRIPTION] or None)


def _below(source: SharedFile) -> str | None:
    """The path of a file on its volume, as a name; None when a name was declared for it or it has no such path."""
    path = PurePosixPath(source.path)
    inside = path.relative_to(source.root) if path.is_relative_to(source.root) else path
    named_by_path = source.name == path.name and not inside.is_absolute() and ".." not in inside.parts
    return str(inside) if named_by_path else None


def _can_be_stored(name: str) -> bool:
    try:
        _NAME.validate_python(name)
    except ValidationError:
        return False
    return not any(unstorable_names([name]))


def _file_name(exchange: Exchange) -> str:
    """The name in Content-Disposition; the extended form wins over the plain one (RFC 6266, section 4.3)."""
    header = Message()
    header["Content-Disposition"] = exchange.headers.get("content-disposition", "")
    parameters = header.get_params(failobj=[], header="content-disposition")
    names: list[Any] = [value for name, value in parameters if name.lower() == "filename"]
    names.sort(key=lambda value: not isinstance(value, tuple))
    with suppress(UnicodeError):  # in a charset that cannot be read
        return collapse_rfc2231_value(names[0]) if names else ""
    return ""


def _guessed(name: str) -> str:
    return mimetypes.guess_type(name)[0] or _UNKNOWN_TYPE


def _refuse_unusable(where: str, source: InlineFile | SharedFile, evaluation: Evaluation) -> None:
    described = {"name": source.name, "media_type": source.media_type, "size_bytes": 0, "sha256": "0" * 64}
    try:
        validate(ArtifactRef, described, where)
    except ShapeError as error:
        problem = error.problems[0]
        raise evaluation.failure(f"{where}.{problem.pointer.strip('/')}", problem.message) from error


def _blamed(error: ShapeError) -> str:
    """The part of the declaration that a field of the envelope comes from."""
    return error.problems[0].pointer.split("/")[1]
