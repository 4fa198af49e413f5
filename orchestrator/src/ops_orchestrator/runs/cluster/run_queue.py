"""The queue of runs: whoever accepts a run puts its id there, and a worker takes it. What a run is stands in its folder.

Sweeps have a queue of the same kind, in which theirs stand in the place of the ids of runs.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Literal, NamedTuple, Protocol


class Claim(NamedTuple):
    """A run that a worker takes from the queue, and how many workers were lost with it before."""

    run_id: str
    lost: int


class Order(NamedTuple):
    """Who wants a run to be cancelled; see RunCancelling."""

    by: str
    caller: str | None


Fate = Literal["over", "left", "busy"]
"""What became of a claim: the run is over; it is to go on, as this worker stops; somebody else is at it, or no disk is."""

Execute = Callable[[Claim], Awaitable[Fate]]


class RunQueue(Protocol):
    """Which runs are to be executed. Each run stands there until it is over. Raises StoreError while it cannot be used."""

    async def submit(self, run_ids: Iterable[str]) -> None:
        """Have runs executed; returns when that is durable. Those that wait already stay where they are."""
        ...

    async def withdraw(self, run_id: str) -> bool:
        """Take a run that waits out of the queue; False when a worker has it, or nobody."""
        ...

    async def cancel(self, run_id: str, order: Order) -> None:
        """Have whoever executes a run, now or later, cancel it."""
        ...

    async def order(self, run_id: str) -> Order | None:
        """Who wants the run to be cancelled, if anybody does."""
        ...

    async def forget(self, run_id: str) -> None:
        """A run is over: nobody has to cancel it any more."""
        ...

    async def missing(self, run_ids: Iterable[str]) -> set[str]:
        """Those of `run_ids` that neither wait nor are executed."""
        ...

    async def depth(self) -> dict[str, int]:
        """How many runs wait, as `waiting`, and how many workers have, as `claimed`."""
        ...
