"""What tests assert of runs, with the difference in words when it does not hold."""

from ops_harness.stack import Stack
from ops_orchestrator import Run, diff


def assert_same_result(expected: Run, actual: Run, *, rel: float = 0.0, abs: float = 0.0) -> None:  # noqa: A002  # as in `diff`
    """Assert that all steps of two runs have the same outputs, evidence and artifacts.

    Numbers count as equal within `rel`, a share of the larger one, or within `abs`. Raises AssertionError with what differs,
    where it begins, and why.
    """
    __tracebackhide__ = True  # a failed test shows the test
    found = diff(expected, actual, rel=rel, abs=abs)
    if not found.is_same:
        raise AssertionError(f"the runs A (expected) and B (actual) differ: {found}")


def assert_reproducible(stack: Stack, run: Run) -> Run:
    """Assert that `stack` gets the same result when it does `run` again; returns the new run.

    Raises AssertionError as `assert_same_result` does.
    """
    __tracebackhide__ = True
    again, _ = stack.reproduce(run)
    assert_same_result(run, again)
    return again
