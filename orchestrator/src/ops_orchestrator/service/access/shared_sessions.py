"""The sessions of browsers in the database that several processes share, so that a balancer may lead to any of them."""

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar

from ops_orchestrator.errors import AccessError
from ops_orchestrator.runs.cluster.connection import PREPARED, RECONNECT_S, bounded, library
from ops_orchestrator.service.access.sessions import (
    IDLE_S,
    LONGEST_S,
    MOST_OF_A_KEY,
    NOTED_EVERY_S,
    hash_of,
    new_session,
)

if TYPE_CHECKING:
    from psycopg import Connection

Result = TypeVar("Result")

_PATIENCE_S: Final = 3.0
# So long a session counts here after another process ended it.
_KNOWN_S: Final = 2.0
_MOST_KNOWN: Final = 4096
_OVER: Final = "DELETE FROM ops.sessions WHERE seen < %s OR begun < %s"
_TOO_MANY: Final = """
DELETE FROM ops.sessions WHERE session IN
(SELECT session FROM ops.sessions WHERE key_id = %s ORDER BY seen DESC OFFSET %s)
"""
_BEGIN: Final = "INSERT INTO ops.sessions (session, key_id, begun, seen) VALUES (%s, %s, %s, %s)"
_FIND: Final = "SELECT key_id, seen FROM ops.sessions WHERE session = %s AND begun >= %s AND seen >= %s"
_SEEN: Final = "UPDATE ops.sessions SET seen = %s WHERE session = %s"
_END: Final = "DELETE FROM ops.sessions WHERE session = %s"


class SharedSessions:
    """The sessions in the database `url`. They outlive the process. See Sessions; raises AccessError while it is away."""

    def __init__(self, url: str, known_s: float = _KNOWN_S) -> None:
        self._known_s = known_s
        self._psycopg = library("psycopg")
        pools = library("psycopg_pool")
        self._errors = (self._psycopg.Error, pools.PoolTimeout)
        self._pool = pools.ConnectionPool(
            bounded(url),
            min_size=1,
            max_size=2,
            open=False,
            configure=_configure,
            timeout=_PATIENCE_S,
            reconnect_timeout=RECONNECT_S,
        )
        self._pool.open()
        self._known: dict[bytes, tuple[str, float]] = {}

    async def begin(self, key_id: str) -> str:
        """See Sessions."""
        session, now = new_session(), time.time()

        def begin(connection: "Connection[tuple[object, ...]]") -> None:
            connection.execute(_OVER, (now - IDLE_S, now - LONGEST_S))
            connection.execute(_TOO_MANY, (key_id, MOST_OF_A_KEY - 1))
            connection.execute(_BEGIN, (hash_of(session), key_id, now, now))

        await self._with_a_connection(begin)
        return session

    async def key_id(self, session: str) -> str | None:
        """See Sessions."""
        hashed = hash_of(session)
        known = self._known.get(hashed)
        if known is not None and time.monotonic() < known[1]:
            return known[0]
        self._known.pop(hashed, None)
        key_id = await self._with_a_connection(lambda connection: _found(connection, hashed))
        if key_id is not None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[hashed] = key_id, time.monotonic() + self._known_s
        return key_id

    async def end(self, session: str) -> None:
        """See Sessions."""
        hashed = hash_of(session)
        await self._with_a_connection(lambda connection: connection.execute(_END, (hashed,)))
        self._known.pop(hashed, None)

    def close(self) -> None:
        """See Sessions."""
        self._pool.close()

    async def _with_a_connection(self, use: Callable[["Connection[tuple[object, ...]]"], Result]) -> Result:
        """What `use` returns, in one transaction, and again over another connection if a restart broke those that were open."""

        def used() -> Result:
            try:
                with self._pool.connection() as connection:
                    return use(connection)
            except self._psycopg.OperationalError:
                self._pool.check()
                with self._pool.connection() as connection:
                    return use(connection)

        try:
            return await asyncio.to_thread(used)
        except self._errors as error:
            detail = "The database that has the sessions does not answer; try again soon."
            raise AccessError(503, "busy", "No session can be looked up now", detail, {"Retry-After": "1"}) from error


def _configure(connection: "Connection[tuple[object, ...]]") -> None:
    connection.execute(PREPARED)
    connection.commit()


def _found(connection: "Connection[tuple[object, ...]]", hashed: bytes) -> str | None:
    """The id of the key of a session, which was seen now."""
    now = time.time()
    row = connection.execute(_FIND, (hashed, now - LONGEST_S, now - IDLE_S)).fetchone()
    if row is None:
        return None
    key_id, seen = row
    if isinstance(seen, float) and now - seen > NOTED_EVERY_S:
        connection.execute(_SEEN, (now, hashed))
    return str(key_id)
