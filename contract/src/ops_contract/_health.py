"""The body of `GET /health`, in which a module describes itself."""

from typing import Annotated

from pydantic import Field

from ops_contract._base import ContractModel, Identifier, Version

__all__ = ["Health"]


class Health(ContractModel):
    """The body of `GET /health` (OPS-HLT-002). Only the first three fields are required of everyone."""

    status: Annotated[str, Field(min_length=1, description="`ok` when the module is ready to execute")]
    module: Identifier
    version: Annotated[str, Field(min_length=1, description="the module's own version")]
    contract_versions: Annotated[
        tuple[Version, ...], Field(strict=False, fail_fast=True, description="contract versions served")
    ] = ()
    profiles: Annotated[
        tuple[str, ...], Field(strict=False, fail_fast=True, description="what the module can be held to beyond `core`")
    ] = ()
    actions: Annotated[
        tuple[Identifier, ...], Field(strict=False, fail_fast=True, description="what `POST /execute` can be asked for")
    ] = ()
