"""What must hold for a module in the stack, whatever it computes."""

from collections.abc import Callable

from ops_harness import Run, Stack, assert_reproducible
from ops_harness.scenario import Scenario
from ops_orchestrator import verify


def test_run_completes_and_happens_again(ops_stack: Stack, ops_run: Callable[..., Run], scenario: Scenario) -> None:
    """Every step completes, the folder is intact, and a repetition finds the same."""
    run = ops_run(scenario)
    damage = verify(run)
    assert damage.is_intact, damage.findings
    assert_reproducible(ops_stack, run)
