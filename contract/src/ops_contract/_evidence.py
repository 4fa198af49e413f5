"""Evidence: the grounds for a claim in the outputs."""

from typing import Annotated, Any, Final

from pydantic import Field
from pydantic.config import JsonDict

from ops_contract._artifact_name import ArtifactName
from ops_contract._base import ContractModel

__all__ = ["Evidence"]

# Of a schema without a type, code generators for TypeScript make an object.
_ANY_JSON: Final[list[JsonDict]] = [{"type": kind} for kind in ("object", "array", "string", "number", "boolean", "null")]


class Evidence(ContractModel):
    """One piece of evidence (OPS-EVD-001). `observed_at` is the only field that may differ between equal results."""

    id: Annotated[str, Field(min_length=1, description="unique in the envelope")]
    kind: Annotated[str, Field(min_length=1, description="for example `dataset`, `computation`, `document`")]
    title: Annotated[str, Field(min_length=1)]
    uri: Annotated[str | None, Field(description="where the evidence can be looked up")] = None
    supports: Annotated[
        tuple[Annotated[str, Field(pattern=r"^(/([^~/]|~[01])*)*$")], ...],
        Field(strict=False, fail_fast=True, description="JSON pointers into `outputs` (OPS-EVD-002)"),
    ] = ()
    artifact: Annotated[ArtifactName | None, Field(description="an artifact of the same envelope")] = None
    synthetic: Annotated[bool | None, Field(description="true when the figures are made up (OPS-EVD-003)")] = None
    observed_at: Annotated[str | None, Field(description="when it was observed (RFC 3339); volatile")] = None
    details: Annotated[
        Any,
        Field(
            description="what else its module says of it, any JSON value; for people and programs",
            json_schema_extra={"anyOf": _ANY_JSON},
        ),
    ] = None
