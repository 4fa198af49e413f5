"""What sweeps execute their points with."""

from dataclasses import dataclass

from ops_orchestrator.runs.store.protocols import RunStore
from ops_orchestrator.runs.turns import Turns
from ops_orchestrator.runs.under_way import Runs


@dataclass(frozen=True)
class RunsOfSweeps:
    """What sweeps start their runs with, where those are kept, and how many of one sweep are executed at once at most.

    With `leaves_sweeps`, the next service goes on with those that this one leaves when it stops. With `places` of a queue,
    other processes may do so at any time, and a point waits until there is a place.
    """

    runs: Runs
    store: RunStore
    at_once: int
    leaves_sweeps: bool = False
    places: Turns | None = None
