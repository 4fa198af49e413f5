"""Which connection a request takes, and which address of a name a new one leads to.

A name may stand for several replicas, which come and go. Connections are used for a bounded time, so that load that never
pauses moves on to new replicas. The first request of a run goes to the replica with the fewest requests in flight, and the
others after it: that replica alone may know of the run's job, its artifacts, and the answer to a repeated request.
"""

import asyncio
import math
import random
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final, cast

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler

from ops_orchestrator.modules.aiohttp_connection import Connection
from ops_orchestrator.modules.call_headers import RUN_ID_HEADER

LONGEST_USED_S: Final = 15.0
"""Seconds after which a connection is used for no new request. With the look-up of a name, new replicas have their share within
twice this time, whatever the load is; to open a connection four times a minute costs nothing beside the requests on it."""

# uvicorn drops a kept connection after 5 s; letting go first avoids most requests into a closing one.
_KEEP_ALIVE_S: Final = 4.0
_LOOK_UPS: Final = 3
"""How often a name is looked up in the time that a connection is used."""

# Connections are opened all the time, and calls would fail with each pause of the name server.
_KNOWN_FOR_S: Final = 60.0
_MOST_HOMES: Final = 10_000
"""More runs than are under way at once: of so many is known which replica they went to."""

# A machine that is gone sends no reset: a call that waits for it would wait for all of its time-out. So it fails after 30 s.
_PROBES: Final = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}


class Connector(aiohttp.TCPConnector):
    """Opens a connection for a request that finds none to use again. `resolver` looks names up; by default the system does."""

    def __init__(self, resolver: AbstractResolver | None = None, longest_used_s: float = LONGEST_USED_S) -> None:
        super().__init__(
            limit=0,
            keepalive_timeout=_KEEP_ALIVE_S,
            resolver=resolver,
            ttl_dns_cache=cast(int, longest_used_s / _LOOK_UPS),  # any number of seconds
            socket_factory=_probing_socket,
        )
        make: Callable[..., ResponseHandler] = Connection
        self._factory = partial(make, loop=self._loop, longest_s=longest_used_s)
        self._has_replicas = False
        self._connecting: dict[asyncio.Task[Any] | None, str] = {}
        self._homes: dict[str, str] = {}
        self._known: dict[tuple[str, int], tuple[list[ResolveResult], float]] = {}
        self._going_home: dict[asyncio.Task[Any] | None, str] = {}

    async def connect(self, req: aiohttp.ClientRequest, traces: Any, timeout: Any) -> Any:  # noqa: ASYNC109  # as in the library
        """A connection for the request: to the replica to which the requests of its run went before, as long as it is there."""
        run_id, task = req.headers.get(RUN_ID_HEADER), asyncio.current_task()
        if run_id is None:
            return await super().connect(req, traces, timeout)
        if home := self._homes.get(run_id):
            self._going_home[task] = home
        try:
            connection = await super().connect(req, traces, timeout)
        except (aiohttp.ClientError, OSError):
            # What another replica knows nothing of is not asked there: the attempt fails, and the next one goes elsewhere.
            self._homes.pop(run_id, None)
            raise
        finally:
            self._going_home.pop(task, None)
        self._homes.pop(run_id, None)  # so that those that are in use come last
        self._homes[run_id] = _address(connection.protocol)
        if len(self._homes) > _MOST_HOMES:
            del self._homes[next(iter(self._homes))]
        return connection

    async def _get(self, key: Any, traces: Any) -> Any:
        """An idle connection to where the request has to go, or else to the replica with the fewest requests in flight."""
        idle = self._conns.get(key)
        if self._has_replicas and idle:
            home = self._going_home.get(asyncio.current_task())
            fitting = [index for index, (kept, _) in enumerate(idle) if home in (None, _address(kept))]
            if not fitting:
                return None
            in_flight = self._in_flight()
            best = min(fitting, key=lambda index: in_flight[_address(idle[index][0])])
            chosen = idle[best]
            del idle[best]
            idle.appendleft(chosen)
        return await super()._get(key, traces)

    async def _create_connection(self, *arguments: Any) -> ResponseHandler:
        try:
            return await super()._create_connection(*arguments)
        finally:
            self._connecting.pop(asyncio.current_task(), None)

    async def _resolve_host(self, host: str, port: int, traces: Sequence[Any] | None = None) -> list[ResolveResult]:
        """The addresses of a name in the order in which they are tried.

        By requests in flight, then by idle connections; alone where the request has to go, if that is among them. Those of
        the family that the system prefers come before those of the other, which lead to the same replicas.
        """
        both = await self._addresses(host, port, traces)
        found = [each for each in both if _is_ipv6(each) == _is_ipv6(both[0])]
        self._has_replicas = len(found) > 1
        if self._has_replicas:
            home = self._going_home.get(asyncio.current_task())
            if at_home := [each for each in found if each["host"] == home]:
                return at_home
            in_flight = self._in_flight()
            idle = Counter(_address(connection) for kept in self._conns.values() for connection, _ in kept)

            def rank(each: ResolveResult) -> tuple[int, int, float]:
                # Of those that are equal any one, since many name servers always begin with the same.
                return in_flight[each["host"]], idle[each["host"]], random.random()  # noqa: S311  # no secret

            found.sort(key=rank)
            self._connecting[asyncio.current_task()] = found[0]["host"]
        return [*found, *(each for each in both if each not in found)]

    async def _addresses(self, host: str, port: int, traces: Sequence[Any] | None) -> list[ResolveResult]:
        """What the name stands for, in the system's order, which aiohttp turns round and round.

        While it cannot be looked up, it is what it stood for a moment ago (as in RFC 8767).
        """
        known, known_at = self._known.get((host, port), ([], -math.inf))
        try:
            found = await super()._resolve_host(host, port, traces)
        except OSError:
            if self._loop.time() - known_at > _KNOWN_FOR_S:
                raise
            return known
        if {each["host"] for each in found} == {each["host"] for each in known}:
            found = known
        self._known[host, port] = found, self._loop.time()
        return found

    def _in_flight(self) -> Counter[str]:
        """Requests by address, with those whose connection is being opened. Counted when there is a choice, and only then."""
        under_way = Counter(_address(connection) for connection in self._acquired)
        return under_way + Counter(self._connecting.values())


def _address(connection: ResponseHandler | None) -> str:
    """Where it leads to; nothing while it is being opened, for which aiohttp has a stand-in."""
    return connection.address if isinstance(connection, Connection) else ""


def _is_ipv6(address: ResolveResult) -> bool:
    return ":" in address["host"]


def _probing_socket(info: aiohttp.AddrInfoType) -> socket.socket:
    """A socket whose other end is asked now and then whether it is still there."""
    family, kind, protocol, *_ = info
    opened = socket.socket(family, kind, protocol)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _PROBES.items():
        with suppress(AttributeError):  # not every system has all of them
            opened.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return opened
