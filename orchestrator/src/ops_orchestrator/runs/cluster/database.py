"""The database that several processes share: its tables, and whether they are those that this version needs.

Procrastinate's tables stand in the first schema of the search path, ours in the schema `ops`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from ops_contract import sha256_hex
from ops_orchestrator.errors import ConfigurationError
from ops_orchestrator.runs.cluster.connection import bounded, library
from ops_orchestrator.runs.store.index_rows import SCHEMA

if TYPE_CHECKING:
    from psycopg import Connection

VERSION: Final = 2
"""Of the tables that have more than what the runs themselves say, each step of which has to keep that."""

# Any number that nobody else takes: two upgrades at once wait for each other.
_UPGRADING: Final = 7_286_251
_TABLES: Final = """
CREATE SCHEMA IF NOT EXISTS ops;
CREATE TABLE ops.upgrades (
    only_one BOOLEAN PRIMARY KEY DEFAULT true CHECK (only_one), version INTEGER NOT NULL, index_sha256 TEXT NOT NULL,
    queue_migration TEXT NOT NULL, is_complete BOOLEAN NOT NULL DEFAULT false -- whether the index has all runs
);
CREATE TABLE ops.keys (
    key_sha256 TEXT COLLATE "C" PRIMARY KEY, run_id TEXT COLLATE "C" NOT NULL, is_made BOOLEAN NOT NULL DEFAULT false,
    claimed_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX keys_of_runs ON ops.keys (run_id);
CREATE TABLE ops.cancellations (
    run_id TEXT COLLATE "C" PRIMARY KEY, by TEXT NOT NULL, caller TEXT, at TIMESTAMPTZ NOT NULL DEFAULT now()
);
"""
_SESSIONS: Final = """
CREATE TABLE ops.sessions (
    session BYTEA PRIMARY KEY, key_id TEXT COLLATE "C" NOT NULL, begun DOUBLE PRECISION NOT NULL, seen DOUBLE PRECISION NOT NULL
);
"""
# The tables of the index are those of SQLite: text in the order of its bytes, and numbers of 64 bits.
_INDEX: Final = (
    SCHEMA.replace(" TEXT", ' TEXT COLLATE "C"').replace(" INTEGER", " BIGINT").replace("WITHOUT ROWID", "")
    + "CREATE INDEX IF NOT EXISTS tagged_runs ON tagged (run_id);"
)
_NO_INDEX: Final = "DROP TABLE IF EXISTS ops.runs, ops.tagged, ops.calls"
_INDEX_SHA256: Final = sha256_hex(_INDEX.encode())
_STATE: Final = "SELECT version, index_sha256, queue_migration FROM ops.upgrades"
_PUT_STATE: Final = """
INSERT INTO ops.upgrades (version, index_sha256, queue_migration) VALUES (%s, %s, %s)
ON CONFLICT (only_one) DO UPDATE SET version = excluded.version, index_sha256 = excluded.index_sha256,
queue_migration = excluded.queue_migration
"""
_MAY_WRITE: Final = """
SELECT current_setting('transaction_read_only') = 'off' AND bool_and(has_table_privilege(name, right_to))
FROM unnest(ARRAY['ops.runs', 'ops.keys', 'procrastinate_jobs']) name, unnest(ARRAY['INSERT', 'UPDATE', 'DELETE']) right_to
"""
_HINT: Final = "`ops db upgrade` prepares it"


@contextmanager
def connected(url: str) -> Iterator["Connection[tuple[Any, ...]]"]:
    """A connection to the database, each statement of which is a transaction. Raises ConfigurationError."""
    psycopg = library("psycopg")
    try:
        connection = psycopg.connect(bounded(url), autocommit=True)
    except psycopg.Error as error:
        reason = " ".join(str(error).split())
        message = f"cannot use the database of OPS_DATABASE_URL: {reason}; start it, or correct the address"
        raise ConfigurationError(message) from error
    with connection:
        yield connection


def upgrade(url: str) -> list[str]:
    """Bring the tables to this version, and say what was done: nothing when they are. Raises ConfigurationError."""
    with connected(url) as connection, _explained("cannot upgrade"), connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_UPGRADING,))
        state = _state(connection)
        _refuse_newer(state)
        done = list(_upgraded(connection, state))
        connection.execute(_PUT_STATE, (VERSION, _INDEX_SHA256, _migrations()[-1]))
    return done


def lacking(url: str) -> str | None:
    """Why the database cannot be used as it is, in words that follow its name; None when it can. Raises ConfigurationError."""
    with connected(url) as connection, _explained("cannot read"):
        state = _state(connection)
        _refuse_newer(state)
        if state is not None and connection.execute(_MAY_WRITE).fetchone() != (True,):
            raise ConfigurationError(
                f"the database of OPS_DATABASE_URL can only be read by {connection.info.user}; take the address of a server "
                "that is no standby, and the user that `ops db upgrade` is run as"
            )
    if state is None:
        return "has no tables of ours yet"
    if state != (VERSION, _INDEX_SHA256, _migrations()[-1]):
        return "has the tables of an earlier version"
    return None


def refuse_unless_ready(url: str) -> None:
    """Raise ConfigurationError when the database cannot be reached, or its tables are not those of this version."""
    if (reason := lacking(url)) is not None:
        raise ConfigurationError(f"the database of OPS_DATABASE_URL {reason}; {_HINT}")


def _state(connection: "Connection[tuple[Any, ...]]") -> tuple[int, str, str] | None:
    [(found,)] = connection.execute("SELECT to_regclass('ops.upgrades')").fetchall()
    if found is None:
        return None
    row = connection.execute(_STATE).fetchone()
    return None if row is None else (row[0], row[1], row[2])


def _refuse_newer(state: tuple[int, str, str] | None) -> None:
    if state is not None and (state[0] > VERSION or state[2] > _migrations()[-1]):
        raise ConfigurationError("the database of OPS_DATABASE_URL has the tables of a later version; install that version")


def _upgraded(connection: "Connection[tuple[Any, ...]]", state: tuple[int, str, str] | None) -> Iterator[str]:
    if state is None:
        [(queue,)] = connection.execute("SELECT to_regclass('procrastinate_jobs')").fetchall()
        if queue is not None:
            # Whose it is, and of which version, nobody wrote down.
            raise ConfigurationError("the database has a queue of Procrastinate that is not ours; take another database")
        _run(connection, (files("procrastinate.sql") / "schema.sql").read_text(encoding="utf-8"))
        yield "made the tables of the queue"
        _run(connection, _TABLES)
        yield "made the tables of keys and cancellations"
    else:
        for name in (name for name in _migrations() if name > state[2]):
            _run(connection, (files("procrastinate.sql") / "migrations" / name).read_text(encoding="utf-8"))
            yield f"changed the tables of the queue as {name} says"
    if state is None or state[0] < 2:  # these came with version 2
        _run(connection, _SESSIONS)
        yield "made the table of sessions"
    if state is None or state[1] != _INDEX_SHA256:
        for statements in ("UPDATE ops.upgrades SET is_complete = false", _NO_INDEX, "SET LOCAL search_path TO ops", _INDEX):
            _run(connection, statements)
        yield "made the tables of the index, which the next service fills from the runs"


def _run(connection: "Connection[tuple[Any, ...]]", statements: str) -> None:
    # Without parameters, psycopg sends many statements at once, and `%` is what it is.
    connection.execute(statements.encode())


def _migrations() -> list[str]:
    """The changes of the queue's tables that the installed Procrastinate knows, in their order."""
    library("procrastinate")
    folder = files("procrastinate.sql") / "migrations"
    return sorted(found.name for found in folder.iterdir() if found.name.endswith(".sql"))


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """Raise what the database objects to as ConfigurationError."""
    psycopg = library("psycopg")
    try:
        yield
    except psycopg.Error as error:
        reason = " ".join(str(error).split())
        raise ConfigurationError(f"{what} the database of OPS_DATABASE_URL: {reason}") from error
