"""The call of a step, as a run makes it."""

from typing import Any

from ops_orchestrator.modules.call import Call
from ops_orchestrator.modules.module import Module


def call_of(module: Module, **inputs: Any) -> Call:
    """A call of `module`."""
    return Call(
        run_id="run",
        scenario_id="demo",
        step_id="alpha",
        module=module,
        action="execute",
        inputs=inputs,
        seed=0,
        upstream={},
    )
