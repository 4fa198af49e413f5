"""The headers that say which step of which run a request belongs to.

They are made of the ids of run and step alone, so that they can be told from a run's record and change no recipe.
"""

RUN_ID_HEADER = "OPS-Run-Id"
STEP_ID_HEADER = "OPS-Step-Id"


def call_headers(run_id: str, step_id: str) -> dict[str, str]:
    """The ids of run and step."""
    return {RUN_ID_HEADER: run_id, STEP_ID_HEADER: step_id}
