"""An answer that a test wrote: what it is for, and what the stub says then."""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from ops_contract import ArtifactName, Evidence, MediaType, RefusalError, ShapeError, unstorable_names, validate
from ops_stubs.faults.doubles.condition import Settings
from ops_stubs.faults.doubles.request_match import HeaderName, RequestMatch
from ops_stubs.faults.doubles.template import check_templates, rendered
from ops_stubs.faults.exchange import Reply
from ops_stubs.module import File, Result

__all__ = ["STARTED", "Answer", "State"]

STARTED: Final = "started"
"""The state in which every scenario begins."""

_LISTED: Final = 100
_FRAMING: Final = frozenset({"connection", "content-length", "transfer-encoding"})
_WITHOUT_BODY: Final = frozenset({204, 304})
_FIELDS: Final = {
    "outputs": ("outputs", "artifacts", "evidence", "warnings"),
    "status": ("status", "headers", "body", "base64"),
}


def _check_base64(data: str) -> str:
    try:
        base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise ValueError(f"is not base64: {error}") from error
    return data


def _check_header(name: str) -> str:
    if name in _FRAMING:
        raise ValueError("is set by the stub; `ops-stubs faults` lists the faults of the connection")
    return name


State = Annotated[str, StringConstraints(min_length=1, max_length=100)]
"""A state of a scenario, or the name of one."""

Base64 = Annotated[str, AfterValidator(_check_base64)]
SentHeader = Annotated[HeaderName, AfterValidator(_check_header)]
# What HTTP can carry, without line breaks.
HeaderValue = Annotated[str, StringConstraints(pattern=r"^[\x20-\x7e\xa0-\xff]*$", max_length=8192)]


class AnswerFile(Settings):
    """An artifact; its size and digest are the stub's to say."""

    name: ArtifactName
    media_type: MediaType
    text: str | None = None
    json_value: Annotated[Any, Field(alias="json")] = None
    base64: Base64 | None = None
    by_href: bool = False

    @model_validator(mode="after")
    def _one_content(self) -> Self:
        given = self.model_fields_set & {"text", "json_value", "base64"}
        if len(given) != 1:
            raise ValueError("must have exactly one of text, json, base64")
        return self

    def file(self, values: Mapping[str, Any]) -> File:
        """The file that is sent, its templates filled."""
        if self.base64 is not None:
            content = base64.b64decode(self.base64)
        elif self.text is not None:
            content = _sent(rendered(self.text, values))
        else:
            content = json.dumps(rendered(self.json_value, values), ensure_ascii=False, indent=2).encode()
        return File(self.name, self.media_type, content, by_href=self.by_href)


class Answer(Settings):
    """An answer: `outputs` and what belongs to them make a success envelope, `status` any other answer of HTTP.

    Of several answers for a request, the one with the smallest `priority` is given. In a `scenario`, an answer may need a
    state, and may lead to one.
    """

    name: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = None
    match: RequestMatch = RequestMatch()
    priority: Annotated[int, Field(ge=1, le=1000)] = 5
    scenario: State | None = None
    when_state: State | None = None
    then_state: State | None = None
    outputs: dict[str, Any] | None = None
    artifacts: Annotated[tuple[AnswerFile, ...], Field(strict=False, max_length=_LISTED)] = ()
    evidence: Annotated[tuple[Evidence, ...], Field(strict=False, max_length=_LISTED)] = ()
    warnings: Annotated[tuple[str, ...], Field(strict=False, max_length=_LISTED)] = ()
    status: Annotated[int, Field(ge=200, le=599)] | None = None
    headers: Annotated[dict[SentHeader, HeaderValue], Field(max_length=50)] = Field(default_factory=dict)
    body: Any = None
    base64: Base64 | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        given = self.model_fields_set
        kind, other = ("outputs", "status") if "outputs" in given else ("status", "outputs")
        if kind not in given or (mixed := sorted(given & set(_FIELDS[other]))):
            has = f"not {', '.join(mixed)} with {kind}" if kind in given else "this has neither"
            raise ValueError(
                f"must have either outputs (with artifacts, evidence, warnings) or status (with headers, body or base64); {has}"
            )
        if {"body", "base64"} <= given:
            raise ValueError("must have body or base64, not both")
        if self.status in _WITHOUT_BODY and given & {"body", "base64"}:
            raise ValueError(f"has a body, and HTTP sends none with {self.status}")
        if self.scenario is None and (self.when_state or self.then_state):
            raise ValueError("has a state and no scenario; give the scenario a name")
        for _, message in unstorable_names(file.name for file in self.artifacts):
            raise ValueError(f"has an artifact whose name {message}")
        check_templates(self.as_json())
        return self

    @property
    def is_envelope(self) -> bool:
        """Whether the stub makes a success envelope of this."""
        return self.outputs is not None

    def as_json(self) -> dict[str, Any]:
        """The answer in the form that the admin API also accepts."""
        return self.model_dump(mode="json", exclude_unset=True, by_alias=True)

    def result(self, values: Mapping[str, Any]) -> Result:
        """What the action found, as this has it. Raises RefusalError when a template cannot be filled."""
        filled = rendered([item.model_dump(mode="json", exclude_unset=True) for item in self.evidence], values)
        try:
            evidence = tuple(validate(Evidence, item, f"evidence {index}") for index, item in enumerate(filled))
        except ShapeError as error:
            raise RefusalError(500, "ANSWER_NOT_MADE", f"the staged answer is not valid: {error}") from error
        return Result(
            outputs=rendered(self.outputs, values),
            artifacts=tuple(file.file(values) for file in self.artifacts),
            evidence=evidence,
            warnings=tuple(_sent(rendered(text, values)).decode() for text in self.warnings),
        )

    def reply(self, values: Mapping[str, Any]) -> Reply:
        """The answer of HTTP. A text is sent as it is, every other body as JSON. Raises RefusalError as `result` does."""
        assert self.status is not None  # noqa: S101 - for the type checker
        media_type, content = self._content(values)
        headers = {"content-type": media_type, **self.headers} if content else dict(self.headers)
        return Reply(self.status, (*headers.items(), ("content-length", str(len(content)))), content)

    def _content(self, values: Mapping[str, Any]) -> tuple[str, bytes]:
        if self.base64 is not None:
            return "application/octet-stream", base64.b64decode(self.base64)
        if isinstance(self.body, str):
            return "text/plain; charset=utf-8", _sent(rendered(self.body, values))
        has_body = "body" in self.model_fields_set
        return "application/json", _sent(rendered(self.body, values)) if has_body else b""


def _sent(value: Any) -> bytes:
    return (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)).encode()
