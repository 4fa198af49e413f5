"""How many calls of a module this process makes at once: at most its `max_in_flight`; others wait, first come, first served.

A call is one attempt of a step, up to the last of its artifacts; of a job, until that is done. Health checks are none.
"""

import asyncio
from collections import Counter, deque
from dataclasses import dataclass
from types import TracebackType

from ops_orchestrator.errors import StepError
from ops_orchestrator.modules.module import Module
from ops_orchestrator.modules.time_limit import StepTime


@dataclass(frozen=True, eq=False)
class _Place:
    """One that waits, and the bound that its module had when its run began: modules.yaml may have another by now."""

    granted: asyncio.Future[None]
    most: int


class CallsInFlight:
    """The calls in flight and those that wait, by module."""

    def __init__(self) -> None:
        self.running: Counter[str] = Counter()
        """How many calls of which module are in flight."""
        self._queues: dict[str, deque[_Place]] = {}

    @property
    def waiting(self) -> Counter[str]:
        """How many calls of which module wait until there are fewer."""
        return Counter({name: len(queue) for name, queue in self._queues.items()})

    def turn(self, module: Module, step: StepTime | None) -> "_Turn":
        """A block in which a call of `module` is in flight; at its begin it waits, within the time of the `step`."""
        return _Turn(self, module, step)

    def begins_at_once(self, module: Module) -> bool:
        """Begin a call, unless it has to wait."""
        name, most = module.name, module.max_in_flight
        if most is not None and (name in self._queues or self.running[name] >= most):
            return False
        self.running[name] += 1
        return True

    async def begin(self, module: Module) -> None:
        """Wait, and begin a call. Whoever is cancelled meanwhile has begun none."""
        name, most = module.name, module.max_in_flight
        place = _Place(asyncio.get_running_loop().create_future(), most or 1)
        queue = self._queues.setdefault(name, deque())
        queue.append(place)
        self._grant(name)
        try:
            await place.granted
        except asyncio.CancelledError:
            if place in queue:
                queue.remove(place)
                self._grant(name)
            else:
                self.end(module)
            raise

    def end(self, module: Module) -> None:
        """A call is over."""
        self.running[module.name] -= 1
        self._grant(module.name)

    def _grant(self, name: str) -> None:
        """Let those begin for whom there is room now."""
        queue = self._queues.get(name)
        while queue and self.running[name] < queue[0].most:
            self.running[name] += 1
            queue.popleft().granted.set_result(None)
        if not queue:
            self._queues.pop(name, None)


class _Turn:
    """See CallsInFlight.turn. A class: the event loop keeps account of each generator."""

    def __init__(self, calls: CallsInFlight, module: Module, step: StepTime | None) -> None:
        self._calls = calls
        self._module = module
        self._step = step

    async def __aenter__(self) -> None:
        if self._calls.begins_at_once(self._module):
            return
        if self._step is None:
            await self._calls.begin(self._module)
            return
        async with self._step.wait(self._too_long):
            await self._calls.begin(self._module)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._calls.end(self._module)

    def _too_long(self) -> StepError:
        module = self._module
        message = (
            f"was not called: until the {module.step_time_s:g} s for the step were over, {module.max_in_flight} calls of it "
            "were in flight, as many as its max_in_flight allows; raise that or its step_timeout_s in modules.yaml"
        )
        return StepError.of(module.name, "MODULE_TIMEOUT", message)
