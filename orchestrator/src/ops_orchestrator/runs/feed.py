"""Who learns of a run's events while it happens."""

from typing import Protocol

from ops_orchestrator.runs.events import Event


class Consumer(Protocol):
    """Takes the events of runs: those of one run in their order, those of several as they come."""

    async def take(self, event: Event) -> None:
        """Take in `event`. Whatever this raises ends the run as errored."""
        ...
