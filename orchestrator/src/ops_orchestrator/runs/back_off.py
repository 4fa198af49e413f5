"""How long a run waits before it tries a failed call again."""

import random
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from ops_orchestrator.errors import StepError
from ops_orchestrator.exchange import Exchange
from ops_orchestrator.http_date import parse_http_date
from ops_orchestrator.modules.call_options import LONGEST_BACK_OFF_S
from ops_orchestrator.modules.module import Module

# As long as anybody waits, and a number that people can read.
_LONGEST_NAMED_S: Final = 1e9
# The commas of dates, and between the values of a repeated header.
_VALUES: Final = re.compile(r"\s*(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,)?[^,]+")


def back_off_s(module: Module, attempts: int, error: StepError, left_s: float) -> float:
    """Seconds before the next attempt: doubling with jitter, at most half a minute unless Retry-After asks for more.

    Raises `error` when no attempt may follow; when the pause would be longer than what is left of the step's time, it says so.
    """
    if not error.failure.retryable or attempts > module.retries:
        raise error
    doubled = module.backoff_s * 2.0 ** min(attempts - 1, 10) * random.uniform(0.8, 1.2)  # noqa: S311  # spreads load, hides nothing
    requested = _retry_after_s(error.exchange) if error.exchange else 0.0
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


def _retry_after_s(exchange: Exchange) -> float:
    """The longest of the waits that Retry-After names (RFC 9110, section 10.2.3); 0 when it names none."""
    now = next(_dates(exchange.headers.get("date", "")), datetime.now(UTC))
    header = exchange.headers.get("retry-after", "")
    seconds = [float(value) for value in map(str.strip, header.split(",")) if value.isascii() and value.isdecimal()]
    return max([0.0, *seconds, *((date - now).total_seconds() for date in _dates(header))])


def _dates(header: str) -> Iterator[datetime]:
    return filter(None, map(parse_http_date, _VALUES.findall(header)))
