"""The inputs that the module of a step was given."""

from collections.abc import Mapping
from typing import Any

from ops_orchestrator.planning.scenario import merged
from ops_orchestrator.runs.record import RunRecord, StepRecord


def own_inputs(record: RunRecord, step: StepRecord) -> Mapping[str, Any]:
    """The inputs that the plan gives to one step alone."""
    planned = record.plan[step.step - 1] if step.step <= len(record.plan) else {}
    own = planned.get("inputs")
    return own if isinstance(own, dict) else {}


def inputs_of(record: RunRecord, step: StepRecord) -> Mapping[str, Any]:
    """The inputs that the module was given: the scenario's with the step's own merged over them."""
    return merged(record.request["inputs"], own_inputs(record, step))
