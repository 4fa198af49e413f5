"""How a module is called: how long it may take, and how often it is tried again."""

from typing import Annotated, Final

from pydantic import ConfigDict, Field

from ops_contract import ContractModel, Count

LONGEST_BACK_OFF_S: Final = 30.0
"""Seconds that a pause before a retry takes at most, unless the module asks to wait longer."""

Timeout = Annotated[float, Field(gt=0, description="seconds one attempt may take, artifacts included")]
ReadyTimeout = Annotated[float, Field(ge=0, description="seconds to wait for `/health` before a step")]
StepTimeout = Annotated[float, Field(gt=0, description="seconds for a whole step: readiness, all attempts and their pauses")]
Retries = Annotated[Count, Field(le=100, description="attempts after the first, for transport errors and retryable answers")]
MaxInFlight = Annotated[
    int, Field(ge=1, description="calls of the module in flight at once, from one process; others wait within the step's time")
]
Backoff = Annotated[float, Field(ge=0, description="seconds before the first retry; doubles with each")]


class CallOptions(ContractModel):
    """Each can be set for all modules under `defaults` and for one."""

    model_config = ConfigDict(extra="forbid")

    timeout_s: Timeout = 60.0
    ready_timeout_s: ReadyTimeout = 30.0
    retries: Retries = 2
    backoff_s: Backoff = 0.5
    step_timeout_s: StepTimeout | None = None
    max_in_flight: MaxInFlight | None = None
