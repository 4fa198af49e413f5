"""The sessions of browsers: begun with a key, known by a cookie, ended by time, by logout, or with the key."""

import hashlib
import secrets
import sqlite3
import time
from pathlib import Path
from typing import Final, Protocol

IDLE_S: Final = 60 * 60
"""A session ends when no page was asked for in an hour."""

LONGEST_S: Final = 8 * 60 * 60
"""And after eight hours whatever happens."""

MOST_OF_A_KEY: Final = 50
"""So many sessions a key has at most; the one that was not used for longest ends, and none of another key."""

NOTED_EVERY_S: Final = 60
"""So often it is noted that a session is used."""

_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS sessions"
    " (session BLOB PRIMARY KEY, key_id TEXT NOT NULL, begun REAL NOT NULL, seen REAL NOT NULL) WITHOUT ROWID"
)


class Sessions(Protocol):
    """The sessions of a service. What is kept is the hash of what the cookie holds."""

    async def begin(self, key_id: str) -> str:
        """Begin a session with a key; returns what its cookie holds."""
        ...

    async def key_id(self, session: str) -> str | None:
        """The id of the key with which a session was begun; None when it is over, or never was."""
        ...

    async def end(self, session: str) -> None:
        """End a session; its cookie is worth nothing from now on."""
        ...

    def close(self) -> None:
        """Let go of what is held open. Blocking."""
        ...


class LocalSessions:
    """The sessions of one service. They end with it: they are in memory, or in a file that its workers share. See Sessions."""

    def __init__(self, file: Path | None = None) -> None:
        # Waits for a worker that writes; nothing of it has to survive a power cut.
        self._database = sqlite3.connect(file or ":memory:", timeout=5, isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("PRAGMA journal_mode = MEMORY")
        self._database.execute(_TABLE)

    async def begin(self, key_id: str) -> str:
        """See Sessions."""
        session, now = new_session(), time.time()
        self._database.execute("DELETE FROM sessions WHERE seen < ? OR begun < ?", (now - IDLE_S, now - LONGEST_S))
        self._database.execute(
            "DELETE FROM sessions WHERE session IN"
            " (SELECT session FROM sessions WHERE key_id = ? ORDER BY seen DESC LIMIT -1 OFFSET ?)",
            (key_id, MOST_OF_A_KEY - 1),
        )
        self._database.execute("INSERT INTO sessions VALUES (?, ?, ?, ?)", (hash_of(session), key_id, now, now))
        return session

    async def key_id(self, session: str) -> str | None:
        """See Sessions."""
        hashed, now = hash_of(session), time.time()
        row = self._database.execute("SELECT key_id, begun, seen FROM sessions WHERE session = ?", (hashed,)).fetchone()
        if row is None or now - row[1] > LONGEST_S or now - row[2] > IDLE_S:
            return None
        if now - row[2] > NOTED_EVERY_S:
            self._database.execute("UPDATE sessions SET seen = ? WHERE session = ?", (now, hashed))
        return str(row[0])

    async def end(self, session: str) -> None:
        """See Sessions."""
        self._database.execute("DELETE FROM sessions WHERE session = ?", (hash_of(session),))

    def close(self) -> None:
        """See Sessions."""
        self._database.close()


def new_session() -> str:
    """What the cookie of a new session holds."""
    return secrets.token_urlsafe(32)


def hash_of(session: str) -> bytes:
    """What is kept of a session."""
    return hashlib.sha256(session.encode()).digest()
