"""A time limit around what belongs together, that ends in an error of ours."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from types import TracebackType

from ops_orchestrator.errors import StepError
from ops_orchestrator.modules.module import Module


class TimeLimit:
    """Raises what `error` makes when the block takes longer than `seconds`.

    A class: as a generator it took 17 us instead of 10, and a step has several limits.
    """

    def __init__(self, seconds: float, error: Callable[[], StepError]) -> None:
        self._timeout = asyncio.timeout(seconds)
        self._error = error

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            await self._timeout.__aexit__(kind, error, traceback)
        except TimeoutError as timeout:
            raise self._error() from timeout


class StepTime:
    """The time of one step, which begins when this is made."""

    def __init__(self, module: Module) -> None:
        self._module = module
        self._ends = time.monotonic() + module.step_time_s
        self._began: float | None = None
        self._took_s: float | None = None

    def begin_attempt(self) -> None:
        """An attempt begins."""
        self._began, self._took_s = time.monotonic(), None

    def end_attempt(self) -> None:
        """The attempt is over, if one has begun."""
        if self._began is not None:
            self._took_s = round(time.monotonic() - self._began, 6)
            self._began = None

    def take_attempt_s(self) -> float | None:
        """How long the last attempt took, once; None when there was none since."""
        took_s, self._took_s = self._took_s, None
        return took_s

    @property
    def left_s(self) -> float:
        """Seconds that are left; negative when it is over."""
        return self._ends - time.monotonic()

    def limit(self) -> TimeLimit:
        """A time limit around one part of the step, to be opened again for each."""
        return TimeLimit(max(self.left_s, 0.0), self._exceeded)

    @asynccontextmanager
    async def wait(self, error: Callable[[], StepError]) -> AsyncIterator[None]:
        """A block in which nothing is done but to wait for other calls of the module.

        It raises what `error` makes when the module's `step_timeout_s` is over. Without one it may take any time, which
        is added to that of the step: nobody can say how long the calls of other runs take.
        """
        if self._module.step_timeout_s is not None:
            async with TimeLimit(max(self.left_s, 0.0), error):
                yield
            return
        began = time.monotonic()
        yield
        self._ends += time.monotonic() - began

    def _exceeded(self) -> StepError:
        message = (
            f"was not done with its step within {self._module.step_time_s:g} s, the time for readiness, all attempts and the "
            "pauses between them; if it needs longer, raise its step_timeout_s in modules.yaml"
        )
        return StepError.of(self._module.name, "MODULE_TIMEOUT", message)


def attempt_limit(module: Module, step: StepTime | None = None) -> TimeLimit:
    """A time limit around one attempt, or the making of its request: that of `module`, or what is left of its step if less."""
    if step is not None and step.left_s < module.timeout_s:
        return step.limit()
    return TimeLimit(module.timeout_s, partial(_timed_out, module))


def _timed_out(module: Module) -> StepError:
    # Not retryable: a module that is still computing would only be called twice.
    message = (
        f"did not finish within {module.timeout_s:g} s at {module.url}; if it needs longer, raise its timeout_s in modules.yaml"
    )
    return StepError.of(module.name, "MODULE_TIMEOUT", message)
