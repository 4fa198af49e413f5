"""How much is read from a module before it is given up."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """The most bytes of one answer and of one artifact, and what the artifacts of a step and of a run may come to.

    `response_values` counts the JSON values that are made of an answer.
    """

    response_bytes: int
    response_values: int
    artifact_bytes: int
    step_artifacts: int
    step_artifact_bytes: int
    run_artifact_bytes: int

    def values_of(self, *, adapted: bool) -> int:
        """How many JSON values are made of an answer: half as many when an adapter's expressions make copies of them."""
        return self.response_values // 2 if adapted else self.response_values
