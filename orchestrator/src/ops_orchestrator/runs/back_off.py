"""How long a run waits before it tries a failed call again."""

import random
from dataclasses import replace
from typing import Final

from ops_orchestrator.errors import StepError
from ops_orchestrator.modules.call_options import LONGEST_BACK_OFF_S
from ops_orchestrator.modules.module import Module
from ops_orchestrator.modules.retry_after import retry_after_s

# As long as anybody waits, and a number that people can read.
_LONGEST_NAMED_S: Final = 1e9


def back_off_s(module: Module, attempts: int, error: StepError, left_s: float) -> float:
    """Seconds before the next attempt: doubling with jitter, at most half a minute unless Retry-After asks for more.

    Raises `error` when no attempt may follow; when the pause would be longer than what is left of the step's time, it says so.
    """
    if not error.failure.retryable or attempts > module.retries:
        raise error
    doubled = module.backoff_s * 2.0 ** min(attempts - 1, 10) * random.uniform(0.8, 1.2)  # noqa: S311  # spreads load, hides nothing
    requested = retry_after_s(error.exchange) if error.exchange else 0.0
    pause_s = max(min(doubled, LONGEST_BACK_OFF_S), requested)
    if pause_s >= left_s:
        pause = f"{min(pause_s, _LONGEST_NAMED_S):.0f} s{', for which Retry-After asks,' if pause_s == requested else ''}"
        raise _without_time(error, pause, left_s, module)
    return pause_s


def _without_time(error: StepError, pause: str, left_s: float, module: Module) -> StepError:
    message = (
        f"{error.failure.message}; the next attempt would follow after {pause} but {max(left_s, 0.0):.1f} s are left of the "
        f"{module.step_time_s:g} s for the step: run it again later, or raise the module's step_timeout_s in modules.yaml"
    )
    return StepError(replace(error.failure, message=message), error.exchange, unsent=error.unsent)
