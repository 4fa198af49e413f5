"""The request of `POST /execute`."""

from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from ops_contract._artifact import ArtifactRef
from ops_contract._base import ContractModel, Identifier, Seed, Version
from ops_contract._evidence import Evidence

__all__ = ["ExecuteRequest", "Options", "UpstreamStep"]


_MOST_STEPS: Final = 1000


def _few(steps: object) -> object:
    # Every wrong entry is a problem, and a body has room for a hundred thousand.
    if isinstance(steps, dict) and len(steps) > _MOST_STEPS:
        raise PydanticCustomError("complete", f"must hold at most {_MOST_STEPS} steps, not {len(steps)}")
    return steps


class Options(ContractModel):
    """Options that apply to a whole run."""

    seed: Seed = 0
    deadline_s: Annotated[float | None, Field(gt=0, description="seconds after which the caller gives up (OPS-LIM-002)")] = None


class UpstreamStep(ContractModel):
    """The answer of an earlier step of the run."""

    module: Identifier
    outputs: dict[str, Any]
    artifacts: Annotated[tuple[ArtifactRef, ...], Field(strict=False, fail_fast=True)] = ()
    evidence: Annotated[tuple[Evidence, ...], Field(strict=False, fail_fast=True)] = ()


class ExecuteRequest(ContractModel):
    """The body of `POST /execute`. The key of the call is (`run_id`, `step_id`) (OPS-IDM-001)."""

    contract_version: Version
    run_id: Identifier
    step_id: Identifier
    scenario_id: Annotated[str, Field(min_length=1, max_length=200)]
    action: Identifier
    inputs: dict[str, Any]
    upstream: Annotated[dict[Identifier, UpstreamStep], BeforeValidator(_few)] = Field(
        default_factory=dict,
        description="earlier steps of the run, by step id",
        # Without the first, the schema would accept keys that are not step ids.
        json_schema_extra={"additionalProperties": False, "maxProperties": _MOST_STEPS},
    )
    options: Options = Options()
