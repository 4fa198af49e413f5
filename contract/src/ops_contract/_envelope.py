"""The envelope: the answer of a module, success or error."""

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from ops_contract._artifact import Artifact
from ops_contract._base import ContractModel, Identifier, excerpt, validate
from ops_contract._errors import Problem, ShapeError
from ops_contract._evidence import Evidence

__all__ = ["Envelope", "ErrorDetail", "ErrorEnvelope", "SuccessEnvelope", "parse_envelope"]


class SuccessEnvelope(ContractModel):
    """The answer of a call that succeeded (OPS-EXE-001). Volatile values live in `meta` and nowhere else."""

    status: Literal["success"]
    module: Identifier
    version: Annotated[str | None, Field(description="the module's own version (OPS-EXE-007)")] = None
    contract_version: Annotated[str | None, Field(description="the contract version answered in (OPS-EXE-007)")] = None
    outputs: Annotated[dict[str, Any], Field(description="the result; present also when empty (OPS-EXE-003)")]
    artifacts: Annotated[tuple[Artifact, ...], Field(strict=False, fail_fast=True)] = ()
    evidence: Annotated[tuple[Evidence, ...], Field(strict=False, fail_fast=True)] = ()
    warnings: Annotated[tuple[str, ...], Field(strict=False, fail_fast=True)] = ()
    meta: dict[str, Any] = Field(default_factory=dict)


class ErrorDetail(ContractModel):
    """What went wrong (OPS-ERR-002)."""

    code: Annotated[str, Field(min_length=1, description="for programs, for example `INVALID_INPUT`")]
    message: Annotated[str, Field(min_length=1, description="for people: what failed, with which value, what to do")]
    retryable: Annotated[bool, Field(description="true when the same call may succeed later")]
    pointer: Annotated[str | None, Field(description="JSON pointer into the request body (OPS-ERR-004)")] = None
    details: dict[str, Any] = Field(default_factory=dict, description="for programs, such as the known actions")


class ErrorEnvelope(ContractModel):
    """The answer of a call that failed; comes with a 4xx or 5xx (OPS-ERR-008)."""

    status: Literal["error"]
    module: Identifier
    version: str | None = None
    contract_version: str | None = None
    error: ErrorDetail
    meta: dict[str, Any] = Field(default_factory=dict)


Envelope = SuccessEnvelope | ErrorEnvelope
"""Either answer of a module; `status` tells which."""

EnvelopeAdapter: TypeAdapter[SuccessEnvelope | ErrorEnvelope] = TypeAdapter(
    Annotated[
        SuccessEnvelope | ErrorEnvelope,
        Field(discriminator="status", title="Envelope", description="The answer of a module; `status` says which it is."),
    ]
)


def parse_envelope(value: Any) -> Envelope:
    """Make an envelope of a JSON value. Raises ShapeError with pointers into `value`."""
    match value:
        case {"status": "success"}:
            return validate(SuccessEnvelope, value, "envelope")
        case {"status": "error"}:
            return validate(ErrorEnvelope, value, "envelope")
        case {"status": other}:
            problem = Problem("/status", f"must be 'success' or 'error', not {excerpt(other)}")
        case dict():
            problem = Problem("/status", "is required")
        case _:
            problem = Problem("", f"must be an object, not {excerpt(value)}")
    raise ShapeError("envelope", (problem,))
