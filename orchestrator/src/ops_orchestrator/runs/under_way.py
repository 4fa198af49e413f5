"""What whoever accepts runs can do, and what can be done with a run that is under way, whoever executes it."""

from collections import Counter
from typing import Protocol

from ops_orchestrator.modules.catalogue import Catalogue
from ops_orchestrator.planning.pins import Pins
from ops_orchestrator.planning.scenario import Scenario
from ops_orchestrator.planning.steps import Plan
from ops_orchestrator.runs.active_run import ActiveRun
from ops_orchestrator.runs.events import NO_ORIGIN, Origin, Status
from ops_orchestrator.runs.record import Results, RunRecord
from ops_orchestrator.runs.store.protocols import StoredRun


class RunUnderWay(Protocol):
    """A run that is queued or running, or whose end cannot be written."""

    @property
    def record(self) -> RunRecord:
        """The record, as far as it is known here: as of the end of `wait` at least."""
        ...

    @property
    def results(self) -> Results:
        """The results of the same moment."""
        ...

    @property
    def results_bytes(self) -> float:
        """How many bytes the results take as JSON; infinite when that is not known."""
        ...

    @property
    def unwritten(self) -> str | None:
        """Why the end that the run has reached is not on disk, in words that follow its name; None when it is."""
        ...

    async def wait(self, seconds: float | None = None) -> None:
        """Wait until the run is over, at most `seconds`; it may go on all the same, where this process stops."""
        ...

    def cancel(self, by: str, caller: str | None = None) -> None:
        """End the run as cancelled, unless it ends otherwise first; `wait` for it."""
        ...


class Runs(Protocol):
    """Accepts runs, finds them, and ends with the service. What it raises is as ActiveRuns says it."""

    @property
    def stopping(self) -> bool:
        """Whether nothing is started any more."""
        ...

    @property
    def count(self) -> int:
        """How many runs are under way in this process."""
        ...

    async def start(
        self,
        scenario: Scenario,
        *,
        catalogue: Catalogue | None = None,
        origin: Origin = NO_ORIGIN,
        original: StoredRun | None = None,
        new_key: str | None = None,
    ) -> RunUnderWay:
        """See ActiveRuns."""
        ...

    async def start_once(
        self, scenario: Scenario, key: str, *, catalogue: Catalogue | None = None, origin: Origin = NO_ORIGIN
    ) -> RunUnderWay | RunRecord:
        """See ActiveRuns."""
        ...

    async def resume(self, run_id: str, caller: str | None = None) -> RunUnderWay:
        """See ActiveRuns."""
        ...

    async def take_over(self, run_id: str) -> RunUnderWay:
        """See ActiveRuns."""
        ...

    async def check_pins(self, plan: Plan, pins: Pins) -> None:
        """See ActiveRuns."""
        ...

    async def wait_elsewhere(self, record: RunRecord, seconds: float | None) -> RunRecord:
        """See ActiveRuns."""
        ...

    def elsewhere(self, record: RunRecord) -> RunUnderWay | None:
        """The run of a `record`, which is not over, where whoever executes it can be reached; else None."""
        ...

    def find(self, run_id: str) -> ActiveRun | None:
        """The run `run_id` if it is under way in this process."""
        ...

    def by_status(self) -> Counter[Status]:
        """How many runs under way in this process have which status."""
        ...

    async def drain(self, seconds: float) -> None:
        """Start no more runs; returns when none is under way, and nobody waits for one, or so many seconds have passed."""
        ...

    async def stop(self) -> None:
        """Start no more runs, and let go of those under way."""
        ...


def known_live(runs: Runs, run_id: str) -> ActiveRun | None:
    """The run `run_id` while memory tells more of it than the store.

    Not when its end is in the store: a list of runs may tell of that, and who reads the run next must not read less.
    """
    run = runs.find(run_id)
    return None if run is None or run.is_ending else run
