"""The index of runs, and the keys that they have, in the PostgreSQL that several processes share. See RunIndex."""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from ops_orchestrator.errors import StoreError
from ops_orchestrator.runs.cluster.claim_locks import ClaimLocks
from ops_orchestrator.runs.cluster.connection import PREPARED, RECONNECT_S, bounded, library
from ops_orchestrator.runs.cluster.database import refuse_unless_ready
from ops_orchestrator.runs.store.claimed_keys import is_key
from ops_orchestrator.runs.store.index_reader import IndexReader
from ops_orchestrator.runs.store.index_rows import Row, Statements, drop, learn, put
from ops_orchestrator.runs.store.index_update import IndexUpdate, Report
from ops_orchestrator.runs.store.listed_run import ListedRun, ReadRun
from ops_orchestrator.runs.store.protocols import RunSource

if TYPE_CHECKING:
    from psycopg import Connection

Result = TypeVar("Result")

_PATIENCE_S: Final = 20.0
# A reader may wait, and a run should not: what cannot be written now is written later.
_READ_S: Final = 5.0
_WRITE_S: Final = 2.0
_PAUSE_S: Final = 1.0
_MOST_LATE: Final = 100_000
# Longer than it takes to make a run: it is planned before, and its first files take milliseconds.
_MAKING_S: Final = 60
# Whoever claimed a key so long ago has its lock, unless it died, or the database was started again, which drops all locks.
_LOCKED_S: Final = 2
# Whoever wrote the tables of a run last is not overtaken by somebody who read the run before.
_ALONE: Final = "SELECT pg_advisory_xact_lock(hashtextextended(run_id, 0)) FROM unnest(?::text[]) AS run_id"
_CLAIM: Final = """
WITH claimed AS (
    INSERT INTO keys (key_sha256, run_id) VALUES (?, ?) ON CONFLICT (key_sha256) DO NOTHING RETURNING run_id
)
SELECT run_id, true, false FROM claimed UNION ALL
SELECT run_id, false, is_made FROM keys
WHERE key_sha256 = ? AND NOT EXISTS (SELECT 1 FROM claimed)
"""
_INHERIT: Final = """
UPDATE keys SET run_id = ?, claimed_at = now(), is_made = false WHERE key_sha256 = ? AND run_id = ? AND is_made = ?
AND (claimed_at < now() - make_interval(secs => ?) OR NOT is_made AND claimed_at < now() - make_interval(secs => ?)
AND claimed_at > pg_postmaster_start_time() AND pg_try_advisory_xact_lock(hashtextextended(run_id, 1)))
RETURNING run_id
"""
_KEEP: Final = """
INSERT INTO keys (key_sha256, run_id, is_made) VALUES (?, ?, true)
ON CONFLICT (key_sha256) DO UPDATE SET is_made = true WHERE keys.run_id = excluded.run_id AND NOT keys.is_made
"""
_RELEASE: Final = "DELETE FROM keys WHERE key_sha256 = ? AND run_id = ?"
_FREE: Final = "DELETE FROM keys WHERE run_id = ?"


class PostgresIndex(IndexReader):
    """A RunIndex in PostgreSQL.

    A key whose run was never made is free as soon as the database knows that the process is gone that claimed it, and after a
    minute in any case. So is that of a run that is gone.

    What cannot be written while the database is away is written when it is back; a run that is not over is read again for lists
    anyway.
    """

    def __init__(self, url: str, source: RunSource, report: Report | None) -> None:
        self._source = source
        self._psycopg = library("psycopg")
        self._pools = library("psycopg_pool")
        self._pool = self._pools.ConnectionPool(
            bounded(url), min_size=1, max_size=4, open=False, configure=_configure, reconnect_timeout=RECONNECT_S
        )
        self._locks = ClaimLocks(url)
        self._late: dict[str, Row] = {}
        self._late_lock = Lock()
        self._late_writer: Thread | None = None
        self._closing = Event()
        self._away_until = 0.0
        self._pool.open()
        self._update = IndexUpdate(source, self, report)

    @classmethod
    def open(cls, url: str, source: RunSource, *, report: Report | None = None, in_background: bool = False) -> Self:
        """The index of the runs of `source` in the database `url`, up to date, or soon so: see SqliteIndex.

        Raises ConfigurationError when the database cannot be used; OSError, StoreError when the runs cannot be read.
        """
        refuse_unless_ready(url)
        index = cls(url, source, report)
        try:
            index._update.begin(in_background=in_background)
        except BaseException:
            index.close()
            raise
        return index

    @property
    def is_complete(self) -> bool:
        """See RunIndex."""
        return self._update.is_done

    def wait_until_complete(self, seconds: float) -> bool:
        """See RunIndex."""
        return self._update.wait(seconds)

    def close(self) -> None:
        """See RunIndex."""
        self._update.stop()
        self._closing.set()
        if self._late_writer is not None:
            self._late_writer.join()
        self._locks.close()
        self._pool.close()

    def put(self, runs: Iterable[ListedRun]) -> None:
        """See RunIndex."""
        self._put([Row.of(run, self._source.version_of(run.run_id)) for run in runs])

    def _put(self, rows: Sequence[Row]) -> None:
        """Write rows, after those that are late, or let them be late as well."""
        newer = {row.run_id for row in rows}
        with self._late_lock:
            rows = [*(late for late in self._late.values() if late.run_id not in newer), *rows]
        if self._change(rows, lambda statements: put(statements, rows)):
            for _, run_id in _keys_of(rows):
                self._locks.let_go(run_id)
            written = {id(row) for row in rows}
            with self._late_lock:
                self._late = {run_id: row for run_id, row in self._late.items() if id(row) not in written}
            return
        with self._late_lock:
            self._late.update({row.run_id: row for row in rows[:_MOST_LATE]})
            if not self._closing.is_set() and (self._late_writer is None or not self._late_writer.is_alive()):
                self._late_writer = Thread(target=self._write_late, name="run-index", daemon=True)
                self._late_writer.start()

    def _write_late(self) -> None:
        """Try each second to write what could not be written."""
        while self._late and not self._closing.wait(_PAUSE_S):
            self._put(())

    def learn(self, runs: Iterable[ReadRun]) -> None:
        """See RunIndex."""
        rows = [(Row.of(read.run, read.version), read.before) for read in runs]
        self._change([row for row, _ in rows], lambda statements: learn(statements, rows))

    def drop(self, run_ids: Iterable[str]) -> None:
        """See RunIndex."""
        gone = sorted(run_ids)

        def forget(statements: Statements) -> None:
            for run_id in gone:
                drop(statements, run_id)
                statements.execute(_FREE, (run_id,))

        with self._late_lock:
            for run_id in gone:
                self._late.pop(run_id, None)
        self._change((), forget)

    @property
    def was_complete(self) -> bool:
        """Whether all runs were read since the tables were made."""
        return bool(self._rows("SELECT is_complete FROM upgrades", ())[0][0])

    def complete(self) -> None:
        """Note that all runs were read, and so all keys are known."""
        self._change((), lambda statements: statements.execute("UPDATE upgrades SET is_complete = true"))

    def claim(self, key_sha256: str, run_id: str) -> str | None:
        """See RunIndex."""
        if not self._update.wait(_PATIENCE_S):
            raise StoreError("the keys of earlier runs are still being read from their folders; try again in a minute")
        found = self._rows(_CLAIM, (key_sha256, run_id, key_sha256), is_repeatable=False)
        if not found:
            return None  # somebody claimed it at the same moment
        [(holder, is_ours, is_made)] = found
        if not is_ours:
            if self._source.has(holder):
                return str(holder)
            # Not made to its end, or removed by somebody who did not tell the database, such as a command that prunes a folder.
            if not self._rows(_INHERIT, (run_id, key_sha256, holder, is_made, _MAKING_S, _LOCKED_S), is_repeatable=False):
                return None
        try:
            self._locks.take(run_id)
        except self._psycopg.Error as error:
            raise StoreError(f"the key cannot be held in the database: {_reason(error)}; try again") from error
        return run_id

    def release(self, key_sha256: str, run_id: str) -> None:
        """See RunIndex."""
        self._rows(f"{_RELEASE} RETURNING run_id", (key_sha256, run_id))
        self._locks.let_go(run_id)

    def _rows(self, query: str, parameters: Sequence[object], *, is_repeatable: bool = True) -> list[Any]:
        def rows(connection: "Connection[tuple[Any, ...]]") -> list[Any]:
            if not is_repeatable:
                connection.execute("")  # raises when the connection is broken, and nothing is done yet
            return list(connection.execute(_translated(query), parameters).fetchall())

        try:
            return self._over_a_connection(rows, _READ_S)
        except (self._psycopg.Error, self._pools.PoolTimeout) as error:
            raise StoreError(f"the list of runs cannot be read from the database: {_reason(error)}; try again") from error

    def _change(self, rows: Sequence[Row], change: Callable[[Statements], object]) -> bool:
        """Make a change of `rows`, and give them their keys; whether that could be written."""
        if time.monotonic() < self._away_until:
            return False

        def write(connection: "Connection[tuple[Any, ...]]") -> None:
            # In a pipeline, only what is fetched is waited for.
            with connection.pipeline(), connection.transaction():
                statements = _Statements(connection)
                if rows:
                    # In one order, so that two who change the same runs do not wait for each other.
                    statements.execute(_ALONE, (sorted(row.run_id for row in rows),))
                change(statements)
                statements.executemany(_KEEP, _keys_of(rows))

        with suppress(self._psycopg.Error, self._pools.PoolTimeout):
            self._over_a_connection(write, _WRITE_S)
            return True
        self._away_until = time.monotonic() + _PAUSE_S
        return False

    def _over_a_connection(self, use: Callable[["Connection[tuple[Any, ...]]"], Result], seconds: float) -> Result:
        """Use a connection, and another one when it turns out to be broken. Raises psycopg.Error, PoolTimeout."""
        try:
            with self._pool.connection(seconds) as connection:
                return use(connection)
        except self._psycopg.OperationalError:
            # All that were open when the database was restarted are broken.
            self._pool.check()
            with self._pool.connection(seconds) as connection:
                return use(connection)


class _Statements:
    """A connection that takes `?` for a parameter. See Statements."""

    def __init__(self, connection: "Connection[tuple[Any, ...]]") -> None:
        self._connection = connection

    def execute(self, query: str, parameters: Sequence[Any] = (), /) -> Any:
        return self._connection.execute(_translated(query), parameters)

    def executemany(self, query: str, parameters: Iterable[Sequence[Any]], /) -> Any:
        if rows := list(parameters):
            with self._connection.cursor() as cursor:
                cursor.executemany(_translated(query), rows)


@lru_cache(maxsize=512)
def _translated(query: str) -> bytes:
    return query.replace("?", "%s").encode()


def _keys_of(rows: Iterable[Row]) -> list[tuple[str, str]]:
    return [
        (row.idempotency_key, row.run_id) for row in rows if row.idempotency_key is not None and is_key(row.idempotency_key)
    ]


def _configure(connection: "Connection[tuple[Any, ...]]") -> None:
    connection.autocommit = True
    connection.execute(PREPARED)
    connection.execute("SET search_path TO ops")


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())
