"""Slowness on request, an extension that only stubs have: `inputs.__stub_delay_s` seconds before a step is executed.

It counts when bodies are compared, as everything in them does, and an action never sees it.
"""

from typing import Any, Final

from ops_contract import ExecuteRequest
from ops_stubs.errors import InputError

__all__ = ["DELAY_FIELD", "MAX_DELAY_S", "delay_of"]

DELAY_FIELD: Final = "__stub_delay_s"

MAX_DELAY_S: Final = 30.0


def delay_of(call: ExecuteRequest) -> tuple[float, ExecuteRequest]:
    """The seconds to wait, and the call without that field. Raises InputError."""
    if DELAY_FIELD not in call.inputs:
        return 0.0, call
    others = {name: value for name, value in call.inputs.items() if name != DELAY_FIELD}
    return _seconds(call.inputs[DELAY_FIELD]), call.model_copy(update={"inputs": others})


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_DELAY_S:
        raise InputError(f"/inputs/{DELAY_FIELD}", f"must be a number of seconds from 0 to {MAX_DELAY_S:g}")
    return float(value)
