"""The models of request bodies other than JSON: what an action declares under `form`, `multipart`, `text` and `binary`."""

from typing import Annotated, Any, Final, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from ops_orchestrator.modules.adapters.declared_values import Declaration, RequestExpression

BODIES: Final = ("body", "form", "multipart", "text", "binary")
"""The keys of an action that declare a request body. An action has one of them, or none."""


class FileSource(Declaration):
    """The bytes of a request: the artifact of an earlier step, or base64."""

    artifact: Annotated[
        RequestExpression | None, Field(description="an entry of the `artifacts` of an earlier step, whose bytes are sent")
    ] = None
    base64: RequestExpression | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        _refuse_other_than_one(self, ("artifact", "base64"))
        return self


class PartMapping(Declaration):
    """One part of a multipart body; a list that its expression yields is as many parts. An expression alone is its `text`."""

    text: RequestExpression | None = None
    body: Annotated[RequestExpression | None, Field(description="sent as JSON")] = None
    artifact: Annotated[
        RequestExpression | None, Field(description="an entry of the `artifacts` of an earlier step, or several of them")
    ] = None
    base64: RequestExpression | None = None
    filename: Annotated[RequestExpression | None, Field(description="that of an artifact unless given")] = None
    media_type: RequestExpression | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        _refuse_other_than_one(self, ("text", "body", "artifact", "base64"))
        return self


def _part(value: Any) -> Any:
    return value if isinstance(value, dict | PartMapping) else {"text": value}


Part = Annotated[PartMapping, BeforeValidator(_part)]
"""A part of a multipart body as it is declared."""


def refuse_two_bodies(action: Declaration, headers: dict[str, Any]) -> None:
    """Raise the error of an action that declares more than one body, or the content type of one that brings its own."""
    given = [name for name in BODIES if getattr(action, name) is not None]
    if len(given) > 1:
        raise _wrong(f"must have one of {', '.join(given)}: a request has one body")
    if given == ["multipart"] and "content-type" in map(str.lower, headers):
        raise _wrong("has multipart, which sets Content-Type with its boundary itself; take it from headers")


def _refuse_other_than_one(model: Declaration, names: tuple[str, ...]) -> None:
    given = [name for name in names if getattr(model, name) is not None]
    if len(given) != 1:
        raise _wrong(f"must have one of {', '.join(given or names)}")


def _wrong(reason: str) -> PydanticCustomError:
    return PydanticCustomError("complete", "{reason}", {"reason": reason})
