"""What is done with several runs, or with one of them, in a notebook. Each takes runs or what `open_run` takes."""

from collections.abc import Mapping

from ops_orchestrator.notebook.run import Run, RunOrName, open_run, opened
from ops_orchestrator.notebook.tables import Comparison
from ops_orchestrator.runs.comparison.diff import RunDiff, diff_runs
from ops_orchestrator.runs.comparison.grades import Tolerance, Tolerances
from ops_orchestrator.runs.figure_comparison import compare_figures
from ops_orchestrator.runs.run_figures import RunFigures
from ops_orchestrator.runs.verification import Verification, verify_run


def compare(*runs: RunOrName) -> Comparison:
    """The headline figures of two to twenty runs side by side. Raises ConfigurationError, DamagedRunError, StoreError."""
    opened_runs = (run if isinstance(run, Run) else open_run(run) for run in runs)
    return Comparison(compare_figures([RunFigures.of(run.model, run.results) for run in opened_runs]))


def diff(
    a: RunOrName,
    b: RunOrName,
    *,
    rel: float = 0.0,
    abs: float = 0.0,  # noqa: A002  # the word of the command's option
    places: Mapping[str, float] | None = None,
) -> RunDiff:
    """What differs between two runs, and why: `cause` is a sentence, `steps` has a grade for each step.

    Numbers count as equal within `rel`, a share of the larger one, or within `abs`; `places` has other shares by pointer.
    Raises ConfigurationError, DamagedRunError, StoreError.
    """
    tolerances = Tolerances(Tolerance(rel, abs), {pointer: Tolerance(share) for pointer, share in (places or {}).items()})
    with opened(a) as first, opened(b) as second:
        return diff_runs(first, second, tolerances)


def verify(run: RunOrName) -> Verification:
    """Whether a run is as it was written: `is_intact`, and otherwise its `findings`. Raises ConfigurationError, StoreError."""
    with opened(run) as stored:
        return verify_run(stored)
