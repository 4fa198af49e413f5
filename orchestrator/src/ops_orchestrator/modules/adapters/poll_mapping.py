"""The model of `poll` in an adapter: a module that accepts a job, and is asked for it until it is done."""

from collections.abc import Iterator
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from ops_orchestrator.modules.adapters.declared_values import (
    AnswerExpression,
    AnswerPath,
    Declaration,
    JobExpression,
    JobPath,
)
from ops_orchestrator.modules.adapters.expression import Expression
from ops_orchestrator.modules.adapters.failure_mapping import FailureMapping
from ops_orchestrator.modules.adapters.path_template import PathTemplate

WAITS: Final = ("interval_s", "factor", "longest_interval_s", "timeout_s", "cancel")
"""What of `poll` cannot change a result."""


class _Place(Declaration):
    """Where something of a job is found: by its path, or at an address that the module gave."""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        given = [name for name in ("path", "url") if getattr(self, name) is not None]
        if len(given) != 1:
            raise PydanticCustomError("complete", "must have either a path or a url")
        return self

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """All expressions below it."""
        return tuple(_expressions(self))


class CancelMapping(_Place):
    """The request that ends a job whose run is cancelled, or whose time is over."""

    method: Literal["DELETE", "POST", "PUT", "PATCH", "GET"] = "DELETE"
    path: JobPath | None = None
    url: JobExpression | None = None


class ResultMapping(_Place):
    """Where the result of a job is fetched that is done; its answer is then the step's."""

    path: AnswerPath | None = None
    url: AnswerExpression | None = None


class PollMapping(_Place):
    """How a job is asked for: where, how often, and what says that it is done or has failed."""

    path: JobPath | None = None
    url: Annotated[JobExpression | None, Field(description="an address below the module's own, instead of a path")] = None
    query: dict[str, JobExpression] = Field(default_factory=dict)
    until: Annotated[AnswerExpression, Field(description="yields something true when the job is done")]
    failure: FailureMapping = FailureMapping()
    result: ResultMapping | None = None
    interval_s: Annotated[float, Field(gt=0, description="seconds before the first time it is asked for")] = 1.0
    factor: Annotated[float, Field(ge=1, le=10, description="by which each interval is longer than the one before")] = 1.0
    longest_interval_s: Annotated[float, Field(gt=0, description="seconds that no interval is longer than")] = 30.0
    timeout_s: Annotated[float, Field(gt=0, description="seconds for the job, from its submission on")] = 600.0
    cancel: CancelMapping | None = None


def _expressions(part: Declaration) -> Iterator[Expression]:
    for _, value in part:
        match value:
            case Expression():
                yield value
            case PathTemplate():
                yield from value.expressions
            case dict():
                yield from value.values()
            case Declaration():
                yield from _expressions(value)
