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
Backoff = Annotated[float, Field(ge=0, description="seconds before the first retry; doubles with each")]


class CallOptions(ContractModel):
    """Each can be set for all modules under `defaults` and for one."""

    model_config = ConfigDict(extra="forbid")

    timeout_s: Timeout = 60.0
    ready_timeout_s: ReadyTimeout = 30.0
    retries: Retries = 2
    backoff_s: Backoff = 0.5
    step_timeout_s: StepTimeout | None = None

    @property
    def step_time_s(self) -> float:
        """Seconds for a whole step: `step_timeout_s`, or else what all of its parts may take together."""
        attempts_s = (self.retries + 1) * self.timeout_s + self.retries * LONGEST_BACK_OFF_S
        return self.step_timeout_s or self.ready_timeout_s + attempts_s
