"""What the index in a database does besides what every index does."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from postgres import Postgres
from run_records import GOOD, RUN_ID, record

from ops_orchestrator.errors import StoreError
from ops_orchestrator.runs.cluster.postgres_index import PostgresIndex
from ops_orchestrator.runs.store.folder_source import FolderSource

pytestmark = pytest.mark.slow

KEY = "c" * 64
HELD_LOCKS = """
SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
WHERE locktype = 'advisory' AND datname = current_database()
"""


@pytest.fixture
def index(database: str, tmp_path: Path) -> Iterator[PostgresIndex]:
    with closing(PostgresIndex.open(database, FolderSource(tmp_path))) as index:
        yield index


def test_two_processes_share_runs_and_keys(index: PostgresIndex, database: str, tmp_path: Path) -> None:
    (tmp_path / RUN_ID).mkdir()
    with closing(PostgresIndex.open(database, FolderSource(tmp_path))) as other:
        index.put([record(1).model_copy(update={"run_id": RUN_ID, "idempotency_key": KEY})])
        assert (other.run_ids(), other.claim(KEY, GOOD)) == ({RUN_ID}, RUN_ID)


def test_run_that_appeared_while_nobody_looked_is_read_at_the_start(database: str, tmp_path: Path) -> None:
    (tmp_path / RUN_ID).mkdir()
    with closing(PostgresIndex.open(database, FolderSource(tmp_path))) as index:
        assert index.run_ids("damaged") == {RUN_ID}
        assert index.was_complete


def test_key_of_a_process_that_died_before_it_made_the_run_is_free_after_a_minute(index: PostgresIndex, database: str) -> None:
    assert [index.claim(KEY, run_id) for run_id in (RUN_ID, GOOD)] == [RUN_ID, None]
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE ops.keys SET claimed_at = now() - interval '2 minutes'")
    assert [index.claim(KEY, run_id) for run_id in (GOOD, RUN_ID)] == [GOOD, None]


def test_key_is_free_as_soon_as_the_database_knows_that_its_process_is_gone(
    index: PostgresIndex, database: str, tmp_path: Path
) -> None:
    with closing(PostgresIndex.open(database, FolderSource(tmp_path))) as other:
        assert other.claim(KEY, RUN_ID) == RUN_ID
        with psycopg.connect(database, autocommit=True) as connection:
            # Not earlier, since the database may just have been started.
            while not connection.execute("SELECT 1 FROM ops.keys WHERE claimed_at < now() - interval '3 seconds'").fetchall():
                pass
        assert index.claim(KEY, GOOD) is None
    while (holder := index.claim(KEY, GOOD)) is None:
        time.sleep(0.02)
    assert holder == GOOD


def test_key_whose_lock_a_restart_of_the_database_dropped_is_held_all_the_same(
    index: PostgresIndex, database: str, cluster: Postgres
) -> None:
    assert index.claim(KEY, RUN_ID) == RUN_ID
    cluster.stop()
    cluster.start()
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE ops.keys SET claimed_at = now() - interval '10 seconds'")
    assert index.claim(KEY, GOOD) is None


def test_key_of_a_run_that_somebody_removed_is_free(index: PostgresIndex, database: str, tmp_path: Path) -> None:
    (tmp_path / RUN_ID).mkdir()
    index.put([record(1).model_copy(update={"run_id": RUN_ID, "idempotency_key": KEY})])
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE ops.keys SET claimed_at = now() - interval '2 minutes'")
    assert index.claim(KEY, GOOD) == RUN_ID
    (tmp_path / RUN_ID).rmdir()
    assert [index.claim(KEY, run_id) for run_id in (GOOD, RUN_ID)] == [GOOD, None]


def test_run_that_is_made_gives_its_lock_back(index: PostgresIndex, database: str) -> None:
    index.claim(KEY, RUN_ID)
    index.put([record(1).model_copy(update={"run_id": RUN_ID, "idempotency_key": KEY})])
    index.claim("d" * 64, GOOD)
    with psycopg.connect(database) as connection:
        assert connection.execute(HELD_LOCKS).fetchall() == [(1,)]


def test_run_that_is_written_while_the_database_is_away_is_listed_when_it_is_back(
    index: PostgresIndex, cluster: Postgres
) -> None:
    index.put([record(1, status="running")])
    cluster.stop()
    try:
        index.put([record(1)])
        index.put([record(2)])
    finally:
        cluster.start()
    while index.run_ids("completed") != {"run_1", "run_2"}:
        time.sleep(0.02)
    assert index.run_ids("running") == set()


def test_connections_that_a_restart_broke_are_made_again(index: PostgresIndex, cluster: Postgres) -> None:
    index.put([record(1)])
    cluster.stop()
    cluster.start()
    assert index.run_ids() == {"run_1"}
    cluster.stop()
    cluster.start()
    assert index.claim(KEY, RUN_ID) == RUN_ID


def test_key_cannot_be_claimed_while_the_database_is_away(index: PostgresIndex, cluster: Postgres) -> None:
    cluster.stop()
    try:
        with pytest.raises(StoreError, match="from the database"):
            index.claim(KEY, RUN_ID)
    finally:
        cluster.start()
    assert index.claim(KEY, GOOD) == GOOD
