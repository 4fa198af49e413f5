"""The refusals of a module: which status, code and message stand for what."""

from collections.abc import Iterable
from typing import Any

from ops_contract._envelope import ErrorDetail, ErrorEnvelope
from ops_contract._errors import MAX_PROBLEMS, ContractError, Problem
from ops_contract._version import CONTRACT_VERSION

__all__ = ["RefusalError"]


class RefusalError(ContractError):
    """A call that a module refuses: HTTP `status`, `code`, message, and the place of the cause.

    `pointer` is an RFC 6901 pointer into the request's body. Only a 503 is worth a second try.
    """

    def __init__(
        self, status: int, code: str, message: str, *, pointer: str | None = None, details: dict[str, Any] | None = None
    ) -> None:
        """Keep the fields of the error envelope."""
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
        listed = [{"pointer": problem.pointer, "message": problem.message} for problem in problems[:MAX_PROBLEMS]]
        details = {"problems": listed, "problem_count": count}
        first = f"{problems[0].pointer or 'the body'} {problems[0].message}"
        message = first if count == 1 else f"{first}; {count - 1} more in error.details.problems"
        return cls(422, code, message, pointer=problems[0].pointer, details=details)

    @classmethod
    def not_found(cls) -> "RefusalError":
        """A 404 for a path that the contract does not know."""
        return cls(404, "NOT_FOUND", "nothing is served at this path; a module serves GET /health and POST /execute")

    @classmethod
    def artifact_not_kept(cls) -> "RefusalError":
        """A 404 for an artifact that is not, or no longer, available."""
        return cls(404, "NOT_FOUND", "no such artifact is kept; execute the step again to have it made again")

    @classmethod
    def method_not_allowed(cls, allowed: str | None) -> "RefusalError":
        """A 405; `allowed` is the header Allow that goes with it (OPS-ERR-010)."""
        message = f"this path does not take that method; it takes {allowed or 'another one'}"
        return cls(405, "METHOD_NOT_ALLOWED", message)

    @classmethod
    def too_large(cls, limit: int, setting: str = "") -> "RefusalError":
        """A 413 for a body of more than `limit` bytes (OPS-LIM-003); `setting` names what the limit can be changed with."""
        allows = f"{setting} allows" if setting else "this module accepts"
        return cls(413, "TOO_LARGE", f"the body is larger than the {limit} bytes that {allows}")

    @classmethod
    def too_many_values(cls, limit: int, setting: str = "") -> "RefusalError":
        """A 413 for a body that holds more than `limit` JSON values; `setting` as in `too_large`."""
        allows = f"{setting} allows" if setting else "this module accepts"
        return cls(413, "TOO_LARGE", f"the body holds more than the {limit} JSON values, keys included, that {allows}")

    @classmethod
    def incomplete(cls) -> "RefusalError":
        """A 400 for a body whose connection ended early."""
        return cls(400, "INCOMPLETE", "the connection ended before the body did")

    @classmethod
    def unknown_action(cls, action: str, known: Iterable[str], module: str) -> "RefusalError":
        """A 422 that lists the actions that are `known` to the module `module` (OPS-EXE-005)."""
        actions = list(known)
        message = f"/action {action!r} is not known to {module}; known: {', '.join(actions)}"
        return cls(422, "UNKNOWN_ACTION", message, pointer="/action", details={"known_actions": actions})

    @classmethod
    def deadline_exceeded(cls) -> "RefusalError":
        """A 503 for a call that was not done by its deadline (OPS-LIM-002)."""
        return cls(503, "DEADLINE_EXCEEDED", "the module was not done by the deadline; try again with more time")

    def envelope(self, module: str, version: str, meta: dict[str, Any]) -> dict[str, Any]:
        """The error envelope of the module `module`, as JSON (OPS-ERR-002)."""
        detail = {"code": self.code, "message": self.message, "retryable": self.retryable, "details": self.details}
        if self.pointer is not None:
            detail["pointer"] = self.pointer
        envelope = ErrorEnvelope(
            status="error",
            module=module,
            version=version,
            contract_version=CONTRACT_VERSION,
            error=ErrorDetail.model_validate(detail),
            meta=meta,
        )
        return envelope.model_dump(mode="json", exclude_unset=True)
