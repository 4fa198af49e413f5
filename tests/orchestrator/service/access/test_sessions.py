"""How long sessions last, and how many there are."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest
from postgres import Postgres

from ops_orchestrator.errors import AccessError
from ops_orchestrator.service.access.sessions import IDLE_S, LONGEST_S, MOST_OF_A_KEY, LocalSessions, Sessions
from ops_orchestrator.service.access.shared_sessions import SharedSessions


class Kept(NamedTuple):
    """Sessions, how to change what is kept of them, and how to read it."""

    sessions: Sessions
    change: Callable[[str, float], object]
    content: Callable[[], bytes]

    def let_pass(self, seconds: float, of: str) -> None:
        """Have so much time passed since the sessions were begun or seen."""
        self.change(f"UPDATE sessions SET {of} = {of} - ", seconds)  # noqa: S608  # a column


def in_a_file(file: Path) -> Kept:
    def change(statement: str, number: float) -> None:
        with closing(sqlite3.connect(file, isolation_level=None)) as database:
            database.execute(f"{statement} {number}")

    return Kept(LocalSessions(file), change, file.read_bytes)


def in_a_database(url: str) -> Kept:
    def run(statement: str) -> list[Any]:
        with psycopg.connect(url, autocommit=True, options="-c search_path=ops") as database:
            done = database.execute(statement.encode())
            return done.fetchall() if done.description else []

    def content() -> bytes:
        return b"".join(bytes(value) for (value,) in run("SELECT session FROM sessions"))

    return Kept(SharedSessions(url, known_s=0.0), lambda statement, number: run(f"{statement} {number}"), content)


@pytest.fixture(params=["file", pytest.param("database", marks=pytest.mark.slow)])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kept]:
    made = in_a_file(tmp_path / "sessions") if request.param == "file" else in_a_database(request.getfixturevalue("database"))
    yield made
    made.sessions.close()


@pytest.mark.parametrize(("of", "seconds"), [("seen", IDLE_S), ("begun", LONGEST_S)])
async def test_session_ends_after_an_hour_without_a_request_and_after_eight_hours(kept: Kept, of: str, seconds: float) -> None:
    session = await kept.sessions.begin("0a1b2c3d")
    kept.let_pass(seconds - 60, of)
    before = await kept.sessions.key_id(session)
    kept.let_pass(120 if of == "begun" else seconds, of)
    assert (before, await kept.sessions.key_id(session)) == ("0a1b2c3d", None)


async def test_session_that_is_used_does_not_end_after_an_hour(kept: Kept) -> None:
    session = await kept.sessions.begin("0a1b2c3d")
    for _ in range(3):
        kept.let_pass(IDLE_S - 60, "seen")
        assert await kept.sessions.key_id(session) == "0a1b2c3d"


async def test_session_that_was_ended_is_over(kept: Kept) -> None:
    session, other = [await kept.sessions.begin("0a1b2c3d") for _ in range(2)]
    await kept.sessions.end(session)
    assert (await kept.sessions.key_id(session), await kept.sessions.key_id(other)) == (None, "0a1b2c3d")


async def test_what_is_kept_of_a_session_is_not_what_its_cookie_holds(kept: Kept) -> None:
    session = await kept.sessions.begin("0a1b2c3d")
    assert sha256(session.encode()).digest() in kept.content()
    assert session.encode() not in kept.content()


async def test_key_with_too_many_sessions_loses_its_oldest_one_and_no_other_key_does(kept: Kept) -> None:
    other, first = await kept.sessions.begin("ffffffff"), await kept.sessions.begin("0a1b2c3d")
    kept.let_pass(60, "seen")
    last = [await kept.sessions.begin("0a1b2c3d") for _ in range(MOST_OF_A_KEY)]
    assert (await kept.sessions.key_id(first), await kept.sessions.key_id(other)) == (None, "ffffffff")
    assert await kept.sessions.key_id(last[0]) == await kept.sessions.key_id(last[-1]) == "0a1b2c3d"


@pytest.mark.slow
async def test_session_cannot_be_looked_up_while_the_database_is_away_and_can_be_again(
    database: str, cluster: Postgres
) -> None:
    with closing(SharedSessions(database, known_s=0.0)) as sessions:
        session = await sessions.begin("0a1b2c3d")
        await asyncio.to_thread(cluster.stop)
        try:
            with pytest.raises(AccessError, match="does not answer; try again soon") as refused:
                await sessions.key_id(session)
        finally:
            await asyncio.to_thread(cluster.start)
        assert (refused.value.status, refused.value.headers) == (503, {"Retry-After": "1"})
        assert await sessions.key_id(session) == "0a1b2c3d"
