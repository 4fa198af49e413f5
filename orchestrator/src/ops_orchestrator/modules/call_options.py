"""How a module is called: how long it may take, and how often it is tried again."""

from typing import Annotated

from pydantic import ConfigDict, Field

from ops_contract import ContractModel, Count

Timeout = Annotated[float, Field(gt=0, description="seconds one attempt may take, artifacts included")]
ReadyTimeout = Annotated[float, Field(ge=0, description="seconds to wait for `/health` before a step")]
Retries = Annotated[Count, Field(le=100, description="attempts after the first, for transport errors and retryable answers")]
Backoff = Annotated[float, Field(ge=0, description="seconds before the first retry; doubles with each")]


class CallOptions(ContractModel):
    """Each can be set for all modules under `defaults` and for one."""

    model_config = ConfigDict(extra="forbid")

    timeout_s: Timeout = 60.0
    ready_timeout_s: ReadyTimeout = 30.0
    retries: Retries = 2
    backoff_s: Backoff = 0.5
