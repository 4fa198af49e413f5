"""What a module says when it does not do what it was asked."""

from typing import Any, Final

from ops_contract._envelope import ErrorDetail, ErrorEnvelope
from ops_contract._errors import ContractError, Problem
from ops_contract._version import CONTRACT_VERSION

__all__ = ["RefusalError"]

_PROBLEMS_SHOWN: Final = 20


class RefusalError(ContractError):
    """A call that a module does not answer with a success: HTTP `status`, `code`, message, and where the cause stands.

    `pointer` is an RFC 6901 pointer into the request's body. A 503 is the only refusal that is worth a second try.
    """

    def __init__(
        self, status: int, code: str, message: str, *, pointer: str | None = None, details: dict[str, Any] | None = None
    ) -> None:
        """Keep what the error envelope will say."""
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.pointer = pointer
        self.details = details or {}
        self.retryable = status == 503

    @classmethod
    def of_problems(cls, code: str, problems: tuple[Problem, ...], problem_count: int | None = None) -> "RefusalError":
        """A 422 that points to the first of `problems` and lists up to twenty; `problem_count` when there are more."""
        count = len(problems) if problem_count is None else problem_count
        shown = [{"pointer": problem.pointer, "message": problem.message} for problem in problems[:_PROBLEMS_SHOWN]]
        details = {"problems": shown, "problem_count": count}
        first = f"{problems[0].pointer or 'the body'} {problems[0].message}"
        message = first if count == 1 else f"{first}; {count - 1} more in error.details.problems"
        return cls(422, code, message, pointer=problems[0].pointer, details=details)

    def envelope(self, module: str, version: str, meta: dict[str, Any]) -> dict[str, Any]:
        """The error envelope of the module `module`, as JSON (OPS-ERR-002)."""
        pointer = {} if self.pointer is None else {"pointer": self.pointer}
        told = {"code": self.code, "message": self.message, "retryable": self.retryable, "details": self.details, **pointer}
        envelope = ErrorEnvelope(
            status="error",
            module=module,
            version=version,
            contract_version=CONTRACT_VERSION,
            error=ErrorDetail.model_validate(told),
            meta=meta,
        )
        return envelope.model_dump(mode="json", exclude_unset=True)
