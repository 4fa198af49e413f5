"""Locks in the database for the runs that a process makes: they end with its connection, and so with the process."""

from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Final

from ops_orchestrator.runs.cluster.connection import PREPARED, bounded, library

if TYPE_CHECKING:
    from psycopg import Connection

# With another seed than what the index locks: see _ALONE there, and _INHERIT, which looks whether a lock is free.
_LET_GO: Final = "SELECT pg_advisory_unlock(hashtextextended(run_id, 1)) FROM unnest(%s::text[]) AS run_id"
_TAKE: Final = "SELECT pg_try_advisory_lock(hashtextextended(run_id, 1)) FROM unnest(%s::text[]) AS run_id"


class ClaimLocks:
    """The locks that this process holds in the database `url`. Safe among threads. Raises psycopg.Error."""

    def __init__(self, url: str) -> None:
        self._url = bounded(url)
        self._psycopg = library("psycopg")
        self._connection: Connection[tuple[object, ...]] | None = None
        self._made: set[str] = set()
        self._lock = Lock()

    def take(self, run_id: str) -> None:
        """Hold the lock of a run from now on."""
        with self._lock:
            try:
                self._take(run_id)
            except self._psycopg.OperationalError:
                # The database was restarted, or the connection broke; what it held is free already.
                self._disconnect()
                self._take(run_id)

    def let_go(self, run_id: str) -> None:
        """A run is made, or is not going to be: its lock goes when the next one is taken, which costs nothing more."""
        with self._lock:
            self._made.add(run_id)

    def close(self) -> None:
        """Let go of all."""
        with self._lock:
            self._disconnect()

    def _take(self, run_id: str) -> None:
        if self._connection is None:
            self._connection = self._psycopg.connect(self._url, autocommit=True)
            self._connection.execute(PREPARED)
        with self._connection.pipeline():
            self._connection.execute(_LET_GO, (sorted(self._made),))
            self._connection.execute(_TAKE, ([run_id],))
        self._made.clear()

    def _disconnect(self) -> None:
        if self._connection is not None:
            with suppress(self._psycopg.Error):
                self._connection.close()
        self._connection = None
        self._made.clear()
