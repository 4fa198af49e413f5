"""Which runs are compared, what sentences call them, and with which of them the others are compared."""

from collections.abc import Sequence
from string import ascii_uppercase

from ops_contract import Problem
from ops_orchestrator.errors import InvalidRequestError
from ops_orchestrator.runs.comparison.sides import Side
from ops_orchestrator.runs.figure_comparison import MOST_RUNS
from ops_orchestrator.runs.store.protocols import RunStore


def read_sides(store: RunStore, run_ids: Sequence[str], reference: str = "") -> list[Side]:
    """The runs, each read once: the reference, which is the oldest unless another is named, and then the others by age.

    By age they are called A, B and so on, whichever is the reference. A run that is named twice counts once. Raises
    InvalidRequestError unless there are 2 to 20, and for a reference that is not one of them; NotFoundError,
    DamagedRunError, StoreError.
    """
    chosen = list(dict.fromkeys(run_ids))
    if not 2 <= len(chosen) <= MOST_RUNS:
        count = f"{len(chosen)} different {'run is' if len(chosen) == 1 else 'runs are'} named"
        raise _refused("run", f"{count}; a comparison takes 2 to {MOST_RUNS}")
    if reference and reference not in chosen:
        raise _refused("ref", f"{reference!r:.100} is not one of the runs that are compared")
    begun = sorted((store.record(run_id).started_at, run_id) for run_id in chosen)
    sides = [Side.of(store.run(run_id), name) for (_, run_id), name in zip(begun, ascii_uppercase, strict=False)]
    return sorted(sides, key=lambda side: (side.run.run_id != (reference or begun[0][1]), side.name))


def _refused(parameter: str, message: str) -> InvalidRequestError:
    return InvalidRequestError("Runs cannot be compared.", [Problem(parameter, message)])
