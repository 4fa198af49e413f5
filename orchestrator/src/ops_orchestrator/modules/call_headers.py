"""The headers that say which step of which run a request belongs to.

They are made of the ids of run and step alone, so that they can be told from a run's record and change no recipe.
"""

from ops_contract import sha256_hex

RUN_ID_HEADER = "OPS-Run-Id"
STEP_ID_HEADER = "OPS-Step-Id"
TRACE_HEADER = "traceparent"


def call_headers(run_id: str, step_id: str) -> dict[str, str]:
    """The ids of run and step, and the W3C trace context of the call: one trace for a run, one span for each of its steps."""
    trace, span = sha256_hex(run_id.encode())[:32], sha256_hex(f"{run_id}/{step_id}".encode())[:16]
    return {RUN_ID_HEADER: run_id, STEP_ID_HEADER: step_id, TRACE_HEADER: f"00-{trace}-{span}-01"}
