"""How long sessions last, and how many there are."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ops_orchestrator.service.access.sessions import IDLE_S, LONGEST_S, MOST_OF_A_KEY, Sessions


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "sessions"


@pytest.fixture
def sessions(file: Path) -> Iterator[Sessions]:
    made = Sessions(file)
    yield made
    made.close()


def let_pass(file: Path, seconds: float, of: str) -> None:
    """Have so much time passed since the sessions were begun or seen."""
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute(f"UPDATE sessions SET {of} = {of} - ?", (seconds,))  # noqa: S608  # a column


@pytest.mark.parametrize(("of", "seconds"), [("seen", IDLE_S), ("begun", LONGEST_S)])
def test_session_ends_after_an_hour_without_a_request_and_after_eight_hours(
    sessions: Sessions, file: Path, of: str, seconds: float
) -> None:
    session = sessions.begin("0a1b2c3d")
    let_pass(file, seconds - 60, of)
    before = sessions.key_id(session)
    let_pass(file, 120 if of == "begun" else seconds, of)
    assert (before, sessions.key_id(session)) == ("0a1b2c3d", None)


def test_session_that_is_used_does_not_end_after_an_hour(sessions: Sessions, file: Path) -> None:
    session = sessions.begin("0a1b2c3d")
    for _ in range(3):
        let_pass(file, IDLE_S - 60, "seen")
        assert sessions.key_id(session) == "0a1b2c3d"


def test_what_is_kept_of_a_session_is_not_what_its_cookie_holds(sessions: Sessions, file: Path) -> None:
    session = sessions.begin("0a1b2c3d")
    assert session.encode() not in file.read_bytes()


def test_key_with_too_many_sessions_loses_its_oldest_one_and_no_other_key_does(sessions: Sessions, file: Path) -> None:
    other, first = sessions.begin("ffffffff"), sessions.begin("0a1b2c3d")
    let_pass(file, 60, "seen")
    last = [sessions.begin("0a1b2c3d") for _ in range(MOST_OF_A_KEY)]
    assert (sessions.key_id(first), sessions.key_id(other)) == (None, "ffffffff")
    assert sessions.key_id(last[0]) == sessions.key_id(last[-1]) == "0a1b2c3d"
