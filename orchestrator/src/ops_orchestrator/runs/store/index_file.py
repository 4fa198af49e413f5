"""The SQLite file that an index is kept in: found whole, or made again, also while several processes use it."""

import sqlite3
import stat
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Final, TypeVar

from ops_orchestrator.runs.store.claimed_keys import alone_in

_OBJECTS: Final = "SELECT type, name, sql FROM sqlite_master ORDER BY name"
_NOT_DAMAGE: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_NOMEM)

_Mark = tuple[int, int, object]
"""Which file the index is in, and the version of its schema: a file that was replaced, or a table, makes no error."""

Result = TypeVar("Result")


class IndexMadeAgainError(sqlite3.OperationalError):
    """The file that is used from now on is another one, which may not hold all runs yet; nothing was done."""


class IndexFile:
    """A SQLite file with the tables of `schema`. When it cannot be used at all, the tables are kept in memory.

    `foreign` is a query that finds values which cannot be ours, since SQLite keeps anything in any column. `discard` says that
    a file that is already there must not be used. Safe to use from several threads.
    """

    def __init__(  # noqa: PLR0913  # what an index is made of
        self, path: Path, schema: str, foreign: str, busy_timeout_s: float, *, discard: bool = False, in_memory: bool = False
    ) -> None:
        self._path = path
        self._schema = schema
        self._foreign = foreign
        self._busy_timeout_s = busy_timeout_s
        self._in_memory = in_memory
        self._lock = threading.Lock()
        self._connection, self._mark = self._opened(discard=discard)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def use(self, use: Callable[[sqlite3.Connection], Result]) -> Result:
        """The result of `use`, called with a connection and by one thread at a time.

        Raises IndexMadeAgainError, and sqlite3.Error where the file is not to blame.
        """
        with self._lock:
            try:
                if self._mark is None or self._mark == _mark(self._path, self._connection):
                    return use(self._connection)
            except sqlite3.ProgrammingError:
                raise  # it is closed
            except sqlite3.Error as error:
                if _code(error) in _NOT_DAMAGE:
                    raise
            self._open_again(discard=False)
        raise IndexMadeAgainError

    def make_again(self) -> None:
        """Begin with an empty file."""
        with self._lock:
            self._open_again(discard=True)

    def _open_again(self, *, discard: bool) -> None:
        # First: when it is closed, SQLite removes files beside the database by their names.
        self._connection.close()
        self._connection, self._mark = self._opened(discard=discard, thoroughly=True)

    def _opened(self, *, discard: bool, thoroughly: bool = False) -> tuple[sqlite3.Connection, _Mark | None]:
        """A connection to a whole file, and the mark of it; None for one in memory."""
        if self._in_memory:
            return self._made(":memory:"), None
        path = self._path
        # Several processes may find the damage at once: the first makes the file again, and the others find it whole.
        with suppress(sqlite3.Error, OSError), alone_in(path.parent):
            if not discard and (connection := self._whole(thoroughly=thoroughly)):
                return connection, _mark(path, connection)
            for suffix in ("", "-journal", "-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            connection = self._made(str(path))
            return connection, _mark(path, connection)
        return self._made(":memory:"), None

    def _whole(self, *, thoroughly: bool) -> sqlite3.Connection | None:
        """A connection to the file; None when it is missing, damaged, may not be written, or is something else."""
        # SQLite would follow a link, and change whatever it leads to.
        if not _is_plain_file(self._path):
            return None
        connection = _connect(str(self._path), self._busy_timeout_s)
        try:
            if self._is_whole(connection) and not (thoroughly and _has_damaged_page(connection)):
                return connection
        except sqlite3.Error as error:
            if _code(error) in _NOT_DAMAGE:
                connection.close()
                raise
        connection.close()
        return None

    def _is_whole(self, connection: sqlite3.Connection) -> bool:
        with closing(sqlite3.connect(":memory:")) as model:
            model.executescript(self._schema)
            expected = model.execute(_OBJECTS).fetchall()
        # SQLite opens for reading what it may not write, and only a change fails.
        connection.executescript("BEGIN IMMEDIATE; PRAGMA user_version = 0; ROLLBACK;")
        # A damaged page is noticed when it is used; see `_has_damaged_page`.
        return connection.execute(_OBJECTS).fetchall() == expected and connection.execute(self._foreign).fetchall() == []

    def _made(self, path: str) -> sqlite3.Connection:
        connection = _connect(path, self._busy_timeout_s)
        try:
            connection.executescript(self._schema)
        except BaseException:
            connection.close()
            raise
        return connection


def _has_damaged_page(connection: sqlite3.Connection) -> bool:
    """Whether any page is damaged. Looking at all of them takes long, so that only errors lead to it."""
    return connection.execute("PRAGMA quick_check(1)").fetchall() != [("ok",)]


def in_a_transaction(connection: sqlite3.Connection, change: Callable[[sqlite3.Connection], Result]) -> Result:
    """The result of `change`, all of which is written, or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = change(connection)
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise
    return result


def _connect(path: str, busy_timeout_s: float) -> sqlite3.Connection:
    connection = sqlite3.connect(path, check_same_thread=False, timeout=busy_timeout_s, isolation_level=None)
    # Of a damaged file, bytes that are not UTF-8 lead to a run that does not exist, and not to an error.
    connection.text_factory = lambda text: text.decode(errors="replace")
    with suppress(sqlite3.Error):  # of a damaged file; every later statement says so too
        # A killed process or a power failure loses the last changes at most, and nobody waits for the disk.
        connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")
    return connection


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
