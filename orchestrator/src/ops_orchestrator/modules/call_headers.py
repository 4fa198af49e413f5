"""The headers that say which step of which run a request belongs to: for balancers, and for those who trace calls.

They are made of the ids of run and step, the trace, and the number of the attempt alone. So they can be told from a run's
record, and change no recipe.
"""

from ops_orchestrator.modules.trace_context import TRACE_HEADER, TraceContext

RUN_ID_HEADER = "OPS-Run-Id"
STEP_ID_HEADER = "OPS-Step-Id"


def call_headers(trace: TraceContext, step_id: str, attempt: int) -> dict[str, str]:
    """The headers of an attempt of a step in the run of `trace`, which counts from 1 over all attempts of the run."""
    return {
        RUN_ID_HEADER: trace.run_id,
        STEP_ID_HEADER: step_id,
        TRACE_HEADER: trace.header(trace.call_span(step_id, attempt)),
    }
