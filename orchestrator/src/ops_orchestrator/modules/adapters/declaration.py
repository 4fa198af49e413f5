"""The models of an adapter in modules.yaml; every expression is compiled when it is read."""

import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from ops_contract import MASK, ContractModel, Identifier, fingerprint, is_secret
from ops_orchestrator.modules.adapters.artifact_mapping import ArtifactMapping
from ops_orchestrator.modules.adapters.body_declaration import BODIES, FileSource, Part, refuse_two_bodies
from ops_orchestrator.modules.adapters.declared_values import (
    AnswerExpression,
    Declaration,
    HealthExpression,
    HealthPath,
    RequestExpression,
    RequestPath,
)
from ops_orchestrator.modules.adapters.evidence_mapping import EvidenceField, EvidenceMapping
from ops_orchestrator.modules.adapters.expression import Expression
from ops_orchestrator.modules.adapters.failure_mapping import FailureMapping
from ops_orchestrator.modules.adapters.need import DeclaredNeed, refuse_unknown_roles
from ops_orchestrator.modules.adapters.poll_mapping import WAITS, PollMapping
from ops_orchestrator.modules.call_options import Backoff, Retries, Timeout

WITHOUT_EFFECT: Final = ("timeout_s", "retries", "backoff_s")
"""What of an action cannot change a result."""

_MAY_BE_EMPTY: Final = ("query", "headers", "failure", "artifacts")
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OURS: Final = frozenset({"connection", "content-length", "host", "transfer-encoding"})


def _header(name: str) -> str:
    if not _HEADER.fullmatch(name) or name.lower() in _OURS:
        raise ValueError("cannot be set as a header")
    return name


def _differing(headers: dict[str, Any]) -> dict[str, Any]:
    if len({name.lower() for name in headers}) < len(headers):
        raise PydanticCustomError("complete", "must not name one header twice, in other letters")
    return headers


class HealthCheck(Declaration):
    """The health check: `GET path` answers 2xx, whatever the body. A path alone is short for it, `none` means no check."""

    path: HealthPath
    version: Annotated[HealthExpression | None, Field(description="the module's version in the answer")] = None


def _health(value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticCustomError("complete", "must be a path like /health, or none")
    if not isinstance(value, str):
        return value
    return None if value == "none" else {"path": value}


class Action(Declaration):
    """One action of a module: its request, and how its answer becomes an envelope."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    path: RequestPath
    query: dict[str, RequestExpression] = Field(default_factory=dict)
    headers: Annotated[dict[Annotated[str, AfterValidator(_header)], RequestExpression], AfterValidator(_differing)] = Field(
        default_factory=dict
    )
    body: Annotated[RequestExpression | None, Field(description="sent as JSON")] = None
    form: Annotated[dict[str, RequestExpression] | None, Field(description="sent as the fields of a form")] = None
    multipart: Annotated[dict[str, Part] | None, Field(description="sent as fields and files")] = None
    text: Annotated[RequestExpression | None, Field(description="sent as plain text")] = None
    binary: Annotated[FileSource | None, Field(description="sent as it is")] = None
    needs: Annotated[dict[Identifier, DeclaredNeed] | None, Field(description="earlier steps by role")] = None
    timeout_s: Timeout | None = None
    retries: Retries | None = None
    backoff_s: Backoff | None = None
    answer: Annotated[
        Literal["json", "text", "binary"], Field(description="what a good answer is, whatever content type it names")
    ] = "json"
    poll: Annotated[PollMapping | None, Field(description="the answer is a job's, which is asked for until done")] = None
    failure: FailureMapping = FailureMapping()
    outputs: Annotated[AnswerExpression | None, Field(description="an object; the JSON body unless given")] = None
    evidence: EvidenceField | None = None
    warnings: AnswerExpression | None = None
    version: Annotated[AnswerExpression | None, Field(description="the module's version, where health does not have it")] = None
    artifacts: Annotated[tuple[ArtifactMapping, ...], Field(strict=False, fail_fast=True)] = ()

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        refuse_two_bodies(self, self.headers)
        return self

    @model_validator(mode="after")
    def _known_roles(self) -> Self:
        refuse_unknown_roles(self.needs, self.reads)
        return self

    @model_validator(mode="after")
    def _job_is_declared(self) -> Self:
        if self.poll is None and any("submitted" in expression.names for expression in self._answer_expressions()):
            raise PydanticCustomError("complete", "uses 'submitted', which is there with poll only")
        return self

    @property
    def sends_artifacts(self) -> bool:
        """Are the bytes of earlier steps' artifacts part of the request?"""
        files = (*((self.multipart or {}).values()), *(() if self.binary is None else (self.binary,)))
        return any(file.artifact is not None for file in files)

    @property
    def upstream(self) -> frozenset[str]:
        """The steps that must have been executed before, because the request or the answer refers to them."""
        expressions = (*self._request_expressions(), *self._answer_expressions())
        return frozenset().union(*(expression.upstream for expression in expressions))

    @property
    def reads(self) -> frozenset[tuple[str, ...]]:
        """The paths from the context that the request and the answer are made from, such as `("inputs", "country")`."""
        return self.request_reads | self.answer_reads

    @property
    def request_reads(self) -> frozenset[tuple[str, ...]]:
        """The paths from the context that the request alone is made from."""
        return frozenset().union(*(expression.reads for expression in self._request_expressions()))

    @property
    def answer_reads(self) -> frozenset[tuple[str, ...]]:
        """The paths from the context that are read when the answer is mapped."""
        return frozenset().union(*(expression.reads for expression in self._answer_expressions()))

    @property
    def call_options(self) -> dict[str, Any]:
        """The time-out, retries and back-off that this action has of its own."""
        own = {"timeout_s": self.timeout_s, "retries": self.retries, "backoff_s": self.backoff_s}
        return {name: value for name, value in own.items() if value is not None}

    def _request_expressions(self) -> list[Expression]:
        files = [*((self.multipart or {}).values()), *([] if self.binary is None else [self.binary])]
        in_files = [value for file in files for _, value in file if isinstance(value, Expression)]
        body = [value for value in (self.body, self.text, *((self.form or {}).values()), *in_files) if value is not None]
        return [*body, *self.path.expressions, *self.query.values(), *self.headers.values()]

    def _answer_expressions(self) -> list[Expression]:
        own = [value for name, value in self if name not in BODIES]
        evidence = [self.evidence] if isinstance(self.evidence, EvidenceMapping) else []
        models: list[ContractModel] = [self.failure, *evidence, *self.artifacts]
        fields = [*own, *(value for model in models for _, value in model)]
        polled = self.poll.expressions if self.poll else ()
        return [*(value for value in fields if isinstance(value, Expression)), *polled]


def _absolute(value: Any) -> Any:
    if value is not None and not (isinstance(value, str | Path) and Path(value).is_absolute()):
        raise PydanticCustomError("complete", "must be an absolute path")
    return value


def _not_empty(actions: dict[str, Action]) -> dict[str, Action]:
    if not actions:
        raise PydanticCustomError("complete", "must have at least one action")
    return actions


class Adapter(Declaration):
    """How we talk to one module."""

    base: Annotated[str | None, Field(description="the built-in adapter that this one is made from")] = None
    artifacts_root: Annotated[
        Path | None,
        Field(strict=False, description="the volume shared with the module; files are taken from below it only"),
        BeforeValidator(_absolute),
    ] = None
    artifacts_shared: Annotated[
        bool | None,
        Field(
            description="whether each replica of the module, and each machine that executes runs, has this same volume there"
        ),
    ] = None
    secret_headers: Annotated[
        tuple[Annotated[str, AfterValidator(_header)], ...],
        Field(strict=False, fail_fast=True, description="headers whose values are masked, besides those with a secret's name"),
    ] = ()
    health: Annotated[HealthCheck | None, BeforeValidator(_health)] = None
    actions: Annotated[dict[Identifier, Action], AfterValidator(_not_empty)]

    @model_validator(mode="after")
    def _root_is_known(self) -> Self:
        if self.artifacts_root is None and self.actions_with_files:
            reason = f"takes artifacts from a path in its action {self.actions_with_files[0]!r}, but has no artifacts_root"
            raise PydanticCustomError("complete", "{reason}", {"reason": reason})
        return self

    @property
    def actions_with_files(self) -> tuple[str, ...]:
        """The actions that take artifacts from the shared volume."""
        return tuple(
            name for name, action in self.actions.items() if any(artifact.path is not None for artifact in action.artifacts)
        )

    def declares_secret(self, header: str) -> bool:
        """Is the header one of `secret_headers`?"""
        return header.lower() in map(str.lower, self.secret_headers)

    def declared(self) -> dict[str, Any]:
        """The declaration in effect, as it could stand in modules.yaml; secret headers, parameters and fields are masked.

        It is whole, so it does not name its base: what was taken away from that would come back.
        """
        declared = {"health": "none"} | self.model_dump(mode="json", exclude={"base"}, exclude_none=True)
        if not declared["secret_headers"]:
            del declared["secret_headers"]
        for action in declared["actions"].values():
            for holder in (action, action.get("poll", {})):
                self._mask(holder)
                for part in _MAY_BE_EMPTY:
                    if not holder.get(part):
                        holder.pop(part, None)
        return declared

    def _mask(self, declared: dict[str, Any]) -> None:
        """Mask what has a secret's name in what is declared of a request."""
        for part in ("query", "headers", "form"):
            values = declared.get(part, {})
            values |= {name: MASK for name in values if self._names_secret(part, name)}
        for name, value in declared.get("multipart", {}).items():
            if "text" in value and is_secret(name):
                value["text"] = MASK

    def _names_secret(self, part: str, name: str) -> bool:
        return is_secret(name) or (part == "headers" and self.declares_secret(name))

    def fingerprint(self, action: str) -> str:
        """SHA-256 of what of the declaration can change a result of `action`."""
        declared = self.declared()["actions"][action]
        if "poll" in declared:
            declared["poll"] = {name: value for name, value in declared["poll"].items() if name not in WAITS}
        return fingerprint({name: value for name, value in declared.items() if name not in WITHOUT_EFFECT})
