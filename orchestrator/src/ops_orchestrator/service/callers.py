"""All callers of a process together: how many connections they have, how many bytes are under way, how long they take."""

import asyncio
import ipaddress
from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final, Protocol, Self

from ops_orchestrator.service.refusal import TOO_MANY_CONNECTIONS, TOO_MANY_OF_ONE, Refusal
from ops_orchestrator.settings import MIB, Settings

# Refused connections are kept until their callers have read why, but not more than these.
_MOST_REFUSED: Final = 100


@dataclass(frozen=True)
class CallerLimits:
    """What callers may take of the process, and how long they may take for it, in seconds."""

    connections: int = 1000
    per_address: int = 500
    pending_bytes: int = 16 * MIB
    """Bytes of requests that are not answered yet, all together."""

    head_s: float = 20.0
    """From the connection, or the first byte of a later request, to the end of the head."""

    body_s: float = 20.0
    """For a body, in which nothing has come; each byte extends it by 1 / `slowest`, up to as much again."""

    unread_s: float = 60.0
    """For an answer, of which nothing is taken; extended as that of a body."""

    linger_s: float = 2.0
    """After a refusal, until the connection is closed in any case."""

    slowest: int = 500
    """Bytes per second."""

    look_every_s: float = 1.0

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The limits in the settings."""
        # Or else the largest request would be refused whenever there are others.
        pending_bytes = max(settings.max_pending_bytes, 2 * settings.max_request_bytes)
        return cls(settings.max_connections, settings.max_connections_per_address, pending_bytes)


class Connection(Protocol):
    """A connection that is looked at from time to time."""

    def look(self, now: float) -> None:
        """End it when its caller takes too long."""


class Callers:
    """The connections of a process, on its running event loop."""

    def __init__(self, limits: CallerLimits) -> None:
        self.limits = limits
        self._connections: dict[Connection, str | None] = {}
        self._by_address: Counter[str] = Counter()
        self._refused: set[Connection] = set()
        self._pending = 0
        self._timer: asyncio.TimerHandle | None = None

    def admit(self, connection: Connection, host: str | None) -> Refusal | None:
        """Take a connection from the address `host` in; why it should be refused, or None. One of a sibling has no address."""
        address = None if host is None else _counted_as(host)
        why = None
        if address is not None:
            why = self._excess(address)
            self._by_address[address] += 1
        self._connections[connection] = address
        if self._timer is None:
            self._look_later()
        return why

    def may_linger(self, connection: Connection) -> bool:
        """Whether a connection that is refused may stay open until its caller has read why."""
        if len(self._refused) < _MOST_REFUSED:
            self._refused.add(connection)
        return connection in self._refused

    def leave(self, connection: Connection) -> None:
        """A connection is gone."""
        self._refused.discard(connection)
        address = self._connections.pop(connection, None)
        if address is not None:
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]

    def take(self, count: int, own: int) -> bool:
        """Whether there is room for `count` bytes more of a request that has `own`. The only one may always go on."""
        if self._pending + count > self.limits.pending_bytes and self._pending > own:
            return False
        self._pending += count
        return True

    def give_back(self, count: int) -> None:
        """As many bytes are not needed any more."""
        self._pending -= count

    def _excess(self, address: str) -> Refusal | None:
        if len(self._connections) >= self.limits.connections:
            return TOO_MANY_CONNECTIONS
        return TOO_MANY_OF_ONE if self._by_address[address] >= self.limits.per_address else None

    def _look_later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self.limits.look_every_s, self._look)

    def _look(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        for connection in list(self._connections):
            connection.look(now)
        if self._connections:
            self._look_later()


class Patience:
    """How long one thing after another is waited for."""

    def __init__(self, slowest: int) -> None:
        self._slowest = slowest
        self._what: Hashable = None
        self._progress = 0
        self._until = 0.0

    def is_over(self, now: float, what: Hashable, seconds: float, progress: int = 0) -> bool:
        """Whether `what` has been waited for too long: `seconds`, and more with `progress`, in bytes, up to as much again."""
        if what != self._what:
            self._what, self._until = what, now + seconds
        elif progress > self._progress:
            self._until = min(now + seconds, self._until + (progress - self._progress) / self._slowest)
        self._progress = progress
        return now > self._until


def _counted_as(host: str) -> str:
    """The address, of IPv6 the network of a subscriber, who has all addresses in it."""
    if ":" not in host:
        return host
    try:
        address = ipaddress.IPv6Address(host)
    except ValueError:
        return host
    return str(address.ipv4_mapped or ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))
