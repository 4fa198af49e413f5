"""Callers who send keys that are not valid: slowed down, each address for itself, and logged."""

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog

MOST_AT_ONCE: Final = 20
"""So many tries an address has at once; then it has one more each few seconds."""

ONE_MORE_AFTER_S: Final = 3.0

_LOG_AGAIN_AFTER_S: Final = 10.0
_MOST_ADDRESSES: Final = 4096

_log: Any = structlog.get_logger("ops_orchestrator.access")


@dataclass
class _Caller:
    left: float
    at: float
    logged_at: float | None = None
    unlogged: int = 0


class FailedTries:
    """How many tries each address has left. Those that were not heard of for longest are forgotten first."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._callers: OrderedDict[str, _Caller] = OrderedDict()

    def take(self, address: str) -> float:
        """Use up a try of the caller at `address`; returns the seconds until it has one again, 0 when it had one."""
        caller = self._caller(address)
        if caller.left < 1:
            return (1 - caller.left) * ONE_MORE_AFTER_S
        caller.left -= 1
        return 0.0

    def give_back(self, address: str) -> None:
        """The try did not fail."""
        caller = self._caller(address)
        caller.left = min(caller.left + 1, MOST_AT_ONCE)

    def log(self, address: str, key_id: str | None, reason: str) -> None:
        """Log a try that failed, and how many did since the last line, at most every ten seconds for each address."""
        caller, now = self._caller(address), self._clock()
        caller.unlogged += 1
        if caller.logged_at is not None and now - caller.logged_at < _LOG_AGAIN_AFTER_S:
            return
        tries = f", {caller.unlogged} tries since the last such line" if caller.unlogged > 1 else ""
        message = f"a request from {address or 'an unknown address'} was refused: {reason}{tries}"
        _log.warning("access.refused", address=address, key_id=key_id, tries=caller.unlogged, message=message)
        caller.logged_at, caller.unlogged = now, 0

    def _caller(self, address: str) -> _Caller:
        now, group = self._clock(), _group(address)
        caller = self._callers.setdefault(group, _Caller(MOST_AT_ONCE, now))
        self._callers.move_to_end(group)
        if len(self._callers) > _MOST_ADDRESSES:
            self._callers.popitem(last=False)
        caller.left = min(caller.left + (now - caller.at) / ONE_MORE_AFTER_S, MOST_AT_ONCE)
        caller.at = now
        return caller


def _group(address: str) -> str:
    """Who counts as one caller: an address, or of IPv6 the network of 64 bits, all of which one machine may have."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return address if parsed.version == 4 else str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
