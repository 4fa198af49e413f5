"""How much is read from a module before it is given up."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """The most bytes of one answer and of one artifact, and what the artifacts of a step and of a run may come to."""

    response_bytes: int
    artifact_bytes: int
    step_artifacts: int
    step_artifact_bytes: int
    run_artifact_bytes: int
