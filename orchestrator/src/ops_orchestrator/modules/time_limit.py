"""A time limit around what belongs together, that ends in an error of ours."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from ops_orchestrator.errors import StepError
from ops_orchestrator.modules.module import Module


@asynccontextmanager
async def time_limit(seconds: float, error: StepError) -> AsyncIterator[None]:
    """Raise `error` when the block takes longer than `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as timeout:
        raise error from timeout


class StepTime:
    """The time of one step, which begins when this is made."""

    def __init__(self, module: Module) -> None:
        self._module = module
        self._ends = time.monotonic() + module.step_time_s

    @property
    def left_s(self) -> float:
        """Seconds that are left; negative when it is over."""
        return self._ends - time.monotonic()

    def limit(self) -> AbstractAsyncContextManager[None]:
        """A time limit around one part of the step, to be opened again for each."""
        message = (
            f"was not done with its step within {self._module.step_time_s:g} s, the time for readiness, all attempts and the "
            "pauses between them; if it needs longer, raise its step_timeout_s in modules.yaml"
        )
        return time_limit(max(self.left_s, 0.0), StepError.of(self._module.name, "MODULE_TIMEOUT", message))
