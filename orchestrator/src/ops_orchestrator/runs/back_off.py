"""How long a run waits before it tries a failed call again."""

import random
from typing import Final

from ops_orchestrator.exchange import Exchange
from ops_orchestrator.modules.module import Module

_LONGEST_S: Final = 30.0


def back_off_s(module: Module, attempt: int, exchange: Exchange | None) -> float:
    """Seconds before the next attempt: doubling with jitter, not less than the module's own Retry-After, at most 30."""
    doubled = module.backoff_s * 2.0 ** min(attempt - 1, 10) * random.uniform(0.8, 1.2)  # noqa: S311  # spreads load, hides nothing
    retry_after = exchange.headers.get("retry-after", "") if exchange else ""
    return min(max(doubled, float(retry_after) if retry_after.isdecimal() else 0.0), _LONGEST_S)
