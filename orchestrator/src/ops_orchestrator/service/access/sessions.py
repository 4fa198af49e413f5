"""The sessions of browsers: begun with a key, known by a cookie, ended by time, by logout, or with the key."""

import hashlib
import secrets
import sqlite3
import time
from pathlib import Path
from typing import Final

IDLE_S: Final = 60 * 60
"""A session ends when no page was asked for in an hour."""

LONGEST_S: Final = 8 * 60 * 60
"""And after eight hours whatever happens."""

MOST_OF_A_KEY: Final = 50
"""So many sessions a key has at most; the one that was not used for longest ends, and none of another key."""

_NOTED_EVERY_S: Final = 60
_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS sessions"
    " (session BLOB PRIMARY KEY, key_id TEXT NOT NULL, begun REAL NOT NULL, seen REAL NOT NULL) WITHOUT ROWID"
)


class Sessions:
    """The sessions of one service. They end with it: they are in memory, or in a file that its workers share.

    What is kept is the hash of what the cookie holds.
    """

    def __init__(self, file: Path | None = None) -> None:
        # Waits for a worker that writes; nothing of it has to survive a power cut.
        self._database = sqlite3.connect(file or ":memory:", timeout=5, isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("PRAGMA journal_mode = MEMORY")
        self._database.execute(_TABLE)

    def begin(self, key_id: str) -> str:
        """Begin a session with a key; returns what its cookie holds."""
        session, now = secrets.token_urlsafe(32), time.time()
        self._database.execute("DELETE FROM sessions WHERE seen < ? OR begun < ?", (now - IDLE_S, now - LONGEST_S))
        self._database.execute(
            "DELETE FROM sessions WHERE session IN"
            " (SELECT session FROM sessions WHERE key_id = ? ORDER BY seen DESC LIMIT -1 OFFSET ?)",
            (key_id, MOST_OF_A_KEY - 1),
        )
        self._database.execute("INSERT INTO sessions VALUES (?, ?, ?, ?)", (_hash(session), key_id, now, now))
        return session

    def key_id(self, session: str) -> str | None:
        """The id of the key with which a session was begun; None when it is over, or never was."""
        hashed, now = _hash(session), time.time()
        row = self._database.execute("SELECT key_id, begun, seen FROM sessions WHERE session = ?", (hashed,)).fetchone()
        if row is None or now - row[1] > LONGEST_S or now - row[2] > IDLE_S:
            return None
        if now - row[2] > _NOTED_EVERY_S:
            self._database.execute("UPDATE sessions SET seen = ? WHERE session = ?", (now, hashed))
        return str(row[0])

    def end(self, session: str) -> None:
        """End a session; its cookie is worth nothing from now on."""
        self._database.execute("DELETE FROM sessions WHERE session = ?", (_hash(session),))

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()


def _hash(session: str) -> bytes:
    return hashlib.sha256(session.encode()).digest()
