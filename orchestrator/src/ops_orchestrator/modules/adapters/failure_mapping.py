"""The model of `failure` in an adapter."""

from typing import Annotated

from pydantic import Field

from ops_orchestrator.modules.adapters.declared_values import AnswerExpression, Declaration


class FailureMapping(Declaration):
    """Failures that the HTTP status does not show, and the wording of any failure."""

    when: Annotated[AnswerExpression | None, Field(description="yields something true when a 2xx is a failure")] = None
    message: AnswerExpression | None = None
    code: AnswerExpression | None = None
    retryable: AnswerExpression | None = None
