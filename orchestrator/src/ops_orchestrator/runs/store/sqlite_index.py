"""A disposable index of the run folders, so that lists need not read them all. The folders are the truth."""

import fcntl
import os
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from ops_orchestrator.errors import StoreError
from ops_orchestrator.runs.store.protocols import ListedRun, Position
from ops_orchestrator.runs.store.reading import read_all_listed

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
_PUT: Final = "INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?)"
_OBJECTS: Final = "SELECT type, name, sql FROM sqlite_master ORDER BY name"
_FOREIGN_ROWS: Final = "SELECT 1 FROM runs WHERE typeof(run_id) <> 'text' OR typeof(started_at) <> 'text' LIMIT 1"
_NOT_DAMAGE: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_NOMEM)

_Mark = tuple[int, int, object]
"""Which file the index is in, and the version of its schema: a file that was replaced, or a table, makes no error."""

Result = TypeVar("Result")


class SqliteIndex:
    """A RunIndex in a SQLite file beside the runs. A file that is damaged, foreign or gone is made again from the folders.

    When the file cannot be used at all, the index is kept in memory.
    """

    def __init__(self, folder: Path, busy_timeout_s: float) -> None:
        self._folder = folder
        self._busy_timeout_s = busy_timeout_s
        self._lock = threading.Lock()
        self._connection, self._mark = self._opened()

    @classmethod
    def open(cls, folder: Path, busy_timeout_s: float = 10.0) -> Self:
        """The index kept in `folder`."""
        return cls(folder, busy_timeout_s)

    def close(self) -> None:
        """See RunIndex."""
        with self._lock:
            self._connection.close()

    def put(self, runs: Iterable[ListedRun]) -> None:
        """See RunIndex."""
        rows = [_row(run) for run in runs]
        self._change(lambda connection: connection.executemany(_PUT, rows))

    def drop(self, run_ids: Iterable[str]) -> None:
        """See RunIndex."""
        rows = [(run_id,) for run_id in run_ids]
        self._change(lambda connection: connection.executemany("DELETE FROM runs WHERE run_id = ?", rows))

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
            return self._use(lambda connection: connection.execute(query, parameters).fetchall())
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"the list of runs cannot be read: {error}; try again") from error

    def _change(self, change: Callable[[sqlite3.Connection], object]) -> None:
        def in_a_transaction(connection: sqlite3.Connection) -> None:
            with connection:
                change(connection)

        # The folders are the truth: an index that cannot be written is behind until the next start, and no run suffers.
        with suppress(sqlite3.Error, OSError):
            self._use(in_a_transaction)

    def _use(self, use: Callable[[sqlite3.Connection], Result]) -> Result:
        with self._lock:
            try:
                if self._mark is not None and self._mark != _mark(self._folder / FILE_NAME, self._connection):
                    self._open_again()
                return use(self._connection)
            except sqlite3.ProgrammingError:
                raise  # it is closed
            except sqlite3.Error as error:
                if _code(error) in _NOT_DAMAGE:
                    raise
                self._open_again()
                return use(self._connection)

    def _open_again(self) -> None:
        before = self._connection
        self._connection, self._mark = self._opened()
        before.close()

    def _opened(self) -> tuple[sqlite3.Connection, _Mark | None]:
        """A connection to a whole index, and the mark of its file; None for one in memory."""
        path = self._folder / FILE_NAME
        # Several processes may find the damage at once: the first makes the file again, and the others find it whole.
        with suppress(sqlite3.Error, OSError), _alone(self._folder):
            if connection := self._whole(path):
                return connection, _mark(path, connection)
            for suffix in ("", "-journal", "-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            connection = self._made(str(path))
            return connection, _mark(path, connection)
        return self._made(":memory:"), None

    def _whole(self, path: Path) -> sqlite3.Connection | None:
        """A connection to the index in the file `path`; None when the file is missing, damaged or something else."""
        # SQLite would follow a link, and change whatever it leads to.
        if not _is_plain_file(path):
            return None
        connection = _connect(str(path), self._busy_timeout_s)
        try:
            if _is_whole(connection):
                return connection
        except sqlite3.Error as error:
            if _code(error) in _NOT_DAMAGE:
                connection.close()
                raise
        connection.close()
        return None

    def _made(self, path: str) -> sqlite3.Connection:
        """A connection to a new index of all runs."""
        connection = _connect(path, self._busy_timeout_s)
        try:
            connection.executescript(_SCHEMA)
            with connection:
                connection.executemany(_PUT, map(_row, read_all_listed(self._folder)))
        except BaseException:
            connection.close()
            raise
        return connection


def _row(run: ListedRun) -> tuple[str, str, str, str]:
    return run.run_id, run.started_at, run.scenario_id, run.status


def _where(conditions: Mapping[str, object]) -> str:
    """Those of the fixed `conditions` that have a value. The others must not stand there: they would spoil the index."""
    given = [condition for condition, value in conditions.items() if value is not None]
    return f"WHERE {' AND '.join(given)}" if given else ""


def _connect(path: str, busy_timeout_s: float) -> sqlite3.Connection:
    connection = sqlite3.connect(path, check_same_thread=False, timeout=busy_timeout_s)
    # Of a damaged file, bytes that are not UTF-8 lead to a run that does not exist, and not to an error.
    connection.text_factory = lambda text: text.decode(errors="replace")
    with suppress(sqlite3.Error):  # of a damaged file; every later statement says so too
        # Losing the index costs a rebuild and no data: it need not wait for the disk, nor leave a journal beside the runs.
        connection.executescript("PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF;")
    return connection


def _is_whole(connection: sqlite3.Connection) -> bool:
    with closing(sqlite3.connect(":memory:")) as model:
        model.executescript(_SCHEMA)
        expected = model.execute(_OBJECTS).fetchall()
    return (
        connection.execute(_OBJECTS).fetchall() == expected
        and connection.execute("PRAGMA quick_check(1)").fetchall() == [("ok",)]
        and connection.execute(_FOREIGN_ROWS).fetchall() == []
    )


def _code(error: sqlite3.Error) -> int:
    """SQLite's primary result code; 0 for an error of Python's module."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _is_plain_file(path: Path) -> bool:
    with suppress(FileNotFoundError):
        return stat.S_ISREG(path.lstat().st_mode)
    return False


def _mark(path: Path, connection: sqlite3.Connection) -> _Mark | None:
    """The mark of the index in the file `path` that `connection` leads to; None when the file is gone. Raises sqlite3.Error."""
    with suppress(FileNotFoundError):
        status = path.lstat()
        return status.st_dev, status.st_ino, connection.execute("PRAGMA schema_version").fetchone()
    return None


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other process that came this way is in `folder`."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # not every file system can lock
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
