"""The body of a request as its action declares it: JSON, a form, parts, text or bytes."""

import base64
import binascii
import json
import mimetypes
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final, Protocol
from urllib.parse import urlencode

from ops_contract import sha256_hex
from ops_orchestrator.modules.adapters.body_declaration import FileSource, PartMapping
from ops_orchestrator.modules.adapters.declaration import Action
from ops_orchestrator.modules.adapters.evaluation import Evaluation
from ops_orchestrator.modules.adapters.expression import Expression
from ops_orchestrator.modules.adapters.multipart import BodyPart, composed

MOST_BODY_BYTES: Final = 32 * 1024 * 1024
"""The largest body that is made of artifacts and of base64; a larger file belongs on a shared volume."""

_ANY_BYTES: Final = "application/octet-stream"
_TEXT: Final = "text/plain; charset=utf-8"
_LONGEST_LIST: Final = 10


class ReadArtifact(Protocol):
    """Reads an artifact of an earlier step."""

    def __call__(self, step_id: str, name: str, limit: int, /) -> bytes:
        """Its bytes. Blocking. Raises OSError, also for more than `limit` bytes."""
        ...


@dataclass(frozen=True)
class Sources:
    """What bodies are made with besides expressions: how artifacts are read, None where only their names are known.

    `masked` hides the module's secrets.
    """

    read: ReadArtifact | None = None
    masked: Callable[[bytes], bytes] = field(default=bytes)


@dataclass(frozen=True)
class RequestBody:
    """The bytes of a body and their media type. Without bytes none is sent, and no type either."""

    content: bytes = b""
    content_type: str = ""


def map_body(action: Action, evaluation: Evaluation, sources: Sources) -> RequestBody:
    """The body of a request for `action`. Raises StepError naming the expression that cannot be used."""
    if action.body is not None:
        return RequestBody(_json("body", evaluation.required("body", action.body), evaluation), "application/json")
    if action.form is not None:
        return _form(action.form, evaluation)
    if action.multipart is not None:
        parts = tuple(_Parts(evaluation, sources).of(action.multipart))
        return RequestBody(*composed(parts, sources.masked)) if parts else RequestBody()
    if action.text is not None:
        text = evaluation.as_text("text", evaluation.required("text", action.text))
        return RequestBody(text.encode(), _TEXT)
    if action.binary is not None:
        return _binary(action.binary, evaluation, sources)
    return RequestBody()


def text_pairs(declared: Mapping[str, Expression], part: str, evaluation: Evaluation) -> list[tuple[str, str]]:
    """Names with the texts that their expressions yield; a list repeats its name, nothing leaves it out."""
    pairs = []
    for name, expression in declared.items():
        where = f"{part}.{name}"
        pairs += [(name, evaluation.as_text(where, item)) for item in _items(evaluation.value(where, expression))]
    return pairs


def _form(declared: Mapping[str, Expression], evaluation: Evaluation) -> RequestBody:
    content = urlencode(text_pairs(declared, "form", evaluation)).encode()
    return RequestBody(content, "application/x-www-form-urlencoded")


def _binary(source: FileSource, evaluation: Evaluation, sources: Sources) -> RequestBody:
    files = _Parts(evaluation, sources)
    if source.artifact is not None:
        artifact = files.artifact("binary.artifact", evaluation.required("binary.artifact", source.artifact))
        return RequestBody(files.content_of("binary.artifact", artifact), artifact.media_type)
    assert source.base64 is not None  # noqa: S101  # the model has one of the two
    return RequestBody(files.decoded("binary.base64", evaluation.required("binary.base64", source.base64)), _ANY_BYTES)


@dataclass(frozen=True)
class _Artifact:
    """An artifact of the earlier step `step`."""

    step: str
    name: str
    media_type: str
    size_bytes: int
    sha256: str


class _Parts:
    """Makes the parts of one body, whose files have MOST_BODY_BYTES in all."""

    def __init__(self, evaluation: Evaluation, sources: Sources) -> None:
        self._evaluation = evaluation
        self._sources = sources
        self._left = MOST_BODY_BYTES
        self._known = {(each.name, each.sha256): each for each in _artifacts_before(evaluation.context)}

    def of(self, declared: Mapping[str, PartMapping]) -> Iterator[BodyPart]:
        """The parts in the order of their declaration."""
        for name, mapping in declared.items():
            where = f"multipart.{name}"
            filename = self._evaluation.text(f"{where}.filename", mapping.filename)
            media_type = self._media_type(f"{where}.media_type", mapping.media_type)
            if mapping.artifact is not None:
                yield from self._files(name, f"{where}.artifact", mapping.artifact, filename, media_type)
            else:
                for content, kind in self._contents(where, mapping, filename):
                    yield BodyPart(name, content, filename, media_type or kind)

    def _contents(self, where: str, mapping: PartMapping, filename: str | None) -> Iterator[tuple[bytes, str | None]]:
        """The content of each part, and the media type that it has unless one is declared."""
        evaluation = self._evaluation
        guessed = filename and mimetypes.guess_type(filename)[0]
        if mapping.body is not None:
            value = evaluation.value(f"{where}.body", mapping.body)
            if value is not None:
                yield _json(f"{where}.body", value, evaluation), "application/json"
        elif mapping.base64 is not None:
            for item in _items(evaluation.value(f"{where}.base64", mapping.base64)):
                yield self.decoded(f"{where}.base64", item), guessed or _ANY_BYTES
        else:
            for item in _items(evaluation.value(f"{where}.text", mapping.text)):
                kind = None if filename is None else guessed or _TEXT
                yield evaluation.as_text(f"{where}.text", item).encode(), kind

    def _files(
        self, name: str, where: str, expression: Expression, filename: str | None, media_type: str | None
    ) -> Iterator[BodyPart]:
        value = self._evaluation.value(where, expression)
        if not _items(value):
            raise self._evaluation.failure(where, f"{expression.text} yields no artifact; {self._there_are()}")
        for artifact in [self.artifact(where, item) for item in _items(value)]:
            shown = PurePosixPath(artifact.name).name if filename is None else filename
            yield BodyPart(name, self.content_of(where, artifact), shown, media_type or artifact.media_type)

    def artifact(self, where: str, value: Any) -> _Artifact:
        """The artifact that an expression yielded, as an earlier step has it."""
        if isinstance(value, list) and len(value) == 1:
            (value,) = value
        key = (str(value.get("name")), str(value.get("sha256"))) if isinstance(value, dict) else ("", "")
        if key not in self._known:
            example = "must yield an artifact of an earlier step, such as upstream.NAME.artifacts[0]"
            raise self._evaluation.failure(where, f"{example}; {self._there_are()}")
        return self._known[key]

    def content_of(self, where: str, artifact: _Artifact) -> bytes:
        """The bytes of `artifact`, which must be those that its step answered with."""
        called = f"the artifact {artifact.name!r} of step {artifact.step!r}"
        self._take(where, artifact.size_bytes, called)
        if self._sources.read is None:
            raise self._evaluation.failure(where, f"the bytes of {called} are not here, only its name and hash")
        try:
            content = self._sources.read(artifact.step, artifact.name, artifact.size_bytes)
        except OSError as error:
            raise self._evaluation.failure(where, f"{called} cannot be read: {error.strerror or error}") from error
        if sha256_hex(content) != artifact.sha256:
            raise self._evaluation.failure(where, f"{called} is not what its step answered with any more: its SHA-256 differs")
        return content

    def decoded(self, where: str, value: Any) -> bytes:
        """The bytes that are given in base64."""
        text = "".join(self._evaluation.as_text(where, value).split())
        try:
            content = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as error:
            raise self._evaluation.failure(where, f"does not yield base64: {error}") from error
        self._take(where, len(content), "it")
        return content

    def _take(self, where: str, size: int, called: str) -> None:
        if size > self._left:
            reason = f"{called} has {size} bytes; the files of a request may have {MOST_BODY_BYTES} bytes in all"
            raise self._evaluation.failure(where, f"{reason}, and larger ones belong on a shared volume")
        self._left -= size

    def _media_type(self, where: str, expression: Expression | None) -> str | None:
        media_type = self._evaluation.text(where, expression)
        if media_type is not None and not (media_type.isascii() and media_type.isprintable() and "/" in media_type):
            raise self._evaluation.failure(where, f"yields {media_type!r}, which is not a media type such as text/csv")
        return media_type

    def _there_are(self) -> str:
        names = [f"{each.name!r} of step {each.step!r}" for each in self._known.values()]
        more = f" and {len(names) - _LONGEST_LIST} more" if len(names) > _LONGEST_LIST else ""
        return f"there are {', '.join(names[:_LONGEST_LIST])}{more}" if names else "no earlier step has any"


def _artifacts_before(context: Mapping[str, Any]) -> Iterator[_Artifact]:
    for step, earlier in context.get("upstream", {}).items():
        for ref in earlier.get("artifacts", ()):
            yield _Artifact(step, ref["name"], ref["media_type"], ref["size_bytes"], ref["sha256"])


def _items(value: Any) -> list[Any]:
    """The entries of a list that are something, a single value as a list of one."""
    return [item for item in (value if isinstance(value, list) else [value]) if item is not None]


def _json(where: str, value: Any, evaluation: Evaluation) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except ValueError as error:
        raise evaluation.failure(where, f"yields what JSON cannot carry: {error}") from error
