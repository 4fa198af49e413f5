"""A disposable index of the run folders, so that lists need not read them all. The folders are the truth."""

import sqlite3
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self

from ops_orchestrator.errors import StoreError
from ops_orchestrator.runs.store.protocols import ListedRun, Position

FILE_NAME: Final = ".index.sqlite3"

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS runs (
    run_id TEXT PRIMARY KEY, started_at TEXT NOT NULL, scenario_id TEXT NOT NULL, status TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS newest ON runs (started_at DESC, run_id DESC);
CREATE INDEX IF NOT EXISTS newest_of_scenario ON runs (scenario_id, started_at DESC, run_id DESC);
CREATE INDEX IF NOT EXISTS newest_of_status ON runs (status, started_at DESC, run_id DESC);
"""
_OF_SCENARIO: Final = "scenario_id = :scenario_id"
_OF_STATUS: Final = "status = :status"
_NEWEST_FIRST: Final = "ORDER BY started_at DESC, run_id DESC LIMIT :limit"
_AFTER: Final = "(started_at, run_id) < (:started_at, :run_id)"


class SqliteIndex:
    """A RunIndex in a SQLite file beside the runs."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    @classmethod
    def open(cls, folder: Path, busy_timeout_s: float = 10.0) -> Self:
        """The index kept in `folder`: made again when it is damaged, in memory when the file cannot be used."""
        path = folder / FILE_NAME
        try:
            return cls(_connect(str(path), busy_timeout_s))
        except sqlite3.OperationalError:
            return cls(_connect(":memory:", busy_timeout_s))
        except sqlite3.DatabaseError:
            path.unlink()
            return cls(_connect(str(path), busy_timeout_s))

    def close(self) -> None:
        """See RunIndex."""
        with self._lock:
            self._connection.close()

    def put(self, runs: Iterable[ListedRun]) -> None:
        """See RunIndex."""
        rows = [(run.run_id, run.started_at, run.scenario_id, run.status) for run in runs]
        # The folders are the truth: an index that cannot be written is behind until the next start, and no run suffers.
        with suppress(sqlite3.Error), self._lock, self._connection:
            self._connection.executemany("INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?)", rows)

    def drop(self, run_ids: Iterable[str]) -> None:
        """See RunIndex."""
        with suppress(sqlite3.Error), self._lock, self._connection:
            self._connection.executemany("DELETE FROM runs WHERE run_id = ?", [(run_id,) for run_id in run_ids])

    def run_ids(self, status: str | None = None) -> set[str]:
        """See RunIndex."""
        query = f"SELECT run_id FROM runs {_where({_OF_STATUS: status})}"  # noqa: S608  # of the constants above
        return {run_id for (run_id,) in self._rows(query, {"status": status})}

    def page(self, limit: int, scenario_id: str | None, status: str | None, after: Position | None) -> list[Position]:
        """See RunIndex."""
        parameters = {
            "limit": limit,
            "scenario_id": scenario_id,
            "status": status,
            "started_at": after and after.started_at,
            "run_id": after and after.run_id,
        }
        where = _where({_OF_SCENARIO: scenario_id, _OF_STATUS: status, _AFTER: after})
        query = f"SELECT run_id, started_at FROM runs {where} {_NEWEST_FIRST}"  # noqa: S608  # of the constants above
        return [Position(started_at, run_id) for run_id, started_at in self._rows(query, parameters)]

    def _rows(self, query: str, parameters: Mapping[str, object]) -> list[Any]:
        try:
            with self._lock:
                return self._connection.execute(query, parameters).fetchall()
        except sqlite3.Error as error:
            message = f"the list of runs cannot be read: {error}; {FILE_NAME} in the run store may be deleted, it is made again"
            raise StoreError(message) from error


def _where(conditions: Mapping[str, object]) -> str:
    """Those of the fixed `conditions` that have a value. The others must not stand there: they would spoil the index."""
    given = [condition for condition, value in conditions.items() if value is not None]
    return f"WHERE {' AND '.join(given)}" if given else ""


def _connect(path: str, busy_timeout_s: float) -> sqlite3.Connection:
    connection = sqlite3.connect(path, check_same_thread=False, timeout=busy_timeout_s)
    try:
        # Losing the index costs a rebuild and no data: it need not wait for the disk, nor leave a journal beside the runs.
        connection.executescript("PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF;" + _SCHEMA)
    except sqlite3.Error:
        connection.close()
        raise
    return connection
