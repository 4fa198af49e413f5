"""The tables of the database that several processes share."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from postgres import Postgres

from ops_orchestrator.errors import ConfigurationError
from ops_orchestrator.runs.cluster.database import lacking, refuse_unless_ready, upgrade

pytestmark = pytest.mark.slow


@pytest.fixture
def fresh(cluster: Postgres) -> str:
    """The address of a database without any table."""
    return cluster.database()


def execute(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


def test_upgrade_says_what_it_did_and_does_nothing_the_second_time(fresh: str) -> None:
    assert lacking(fresh) == "has no tables of ours yet"
    assert [sentence.split()[0] for sentence in upgrade(fresh)] == ["made"] * 4
    assert (upgrade(fresh), lacking(fresh)) == ([], None)


def test_two_upgrades_at_once_make_one_set_of_tables(fresh: str) -> None:
    with ThreadPoolExecutor(4) as several:
        done = list(several.map(upgrade, [fresh] * 4))
    assert sorted(map(len, done)) == [0, 0, 0, 4]


def test_index_of_an_earlier_version_is_made_again_and_keys_are_kept(fresh: str) -> None:
    upgrade(fresh)
    execute(
        fresh, "UPDATE ops.upgrades SET index_sha256 = 'older'; INSERT INTO ops.keys (key_sha256, run_id) VALUES ('k', 'r')"
    )
    assert lacking(fresh) == "has the tables of an earlier version"
    (sentence,) = upgrade(fresh)
    assert sentence.startswith("made the tables of the index")
    with psycopg.connect(fresh) as connection:
        assert connection.execute("SELECT count(*) FROM ops.keys").fetchall() == [(1,)]


def test_tables_that_came_later_are_made(fresh: str) -> None:
    upgrade(fresh)
    execute(fresh, "DROP TABLE ops.sessions; UPDATE ops.upgrades SET version = 1")
    assert lacking(fresh) == "has the tables of an earlier version"
    assert (upgrade(fresh), lacking(fresh)) == (["made the table of sessions"], None)


def test_changes_of_the_queue_since_the_last_upgrade_are_made(fresh: str) -> None:
    upgrade(fresh)
    execute(fresh, "UPDATE ops.upgrades SET queue_migration = '03.04.00_01_pre_add_retry_failed_job_procedure.sql'")
    assert upgrade(fresh) == ["changed the tables of the queue as 03.04.00_50_post_add_retry_failed_job_procedure.sql says"]


def test_database_that_can_only_be_read_is_refused(fresh: str) -> None:
    upgrade(fresh)
    execute(fresh, "CREATE ROLE reader LOGIN; GRANT USAGE ON SCHEMA ops TO reader")
    execute(fresh, "GRANT SELECT ON ALL TABLES IN SCHEMA ops TO reader")
    for url in (fresh.replace("//ops@", "//reader@"), f"{fresh}&options=-cdefault_transaction_read_only%3Don"):
        with pytest.raises(ConfigurationError, match=r"can only be read by (reader|ops); take the address of a server"):
            refuse_unless_ready(url)


def test_tables_of_a_later_version_are_left_alone(fresh: str) -> None:
    upgrade(fresh)
    execute(fresh, "UPDATE ops.upgrades SET version = version + 1")
    for look in (upgrade, lacking):
        with pytest.raises(ConfigurationError, match="tables of a later version; install that version"):
            look(fresh)


def test_queue_of_somebody_else_is_left_alone(fresh: str) -> None:
    execute(fresh, "CREATE TABLE procrastinate_jobs (id INTEGER)")
    with pytest.raises(ConfigurationError, match="has a queue of Procrastinate that is not ours; take another database"):
        upgrade(fresh)
    assert lacking(fresh) == "has no tables of ours yet"


def test_database_that_was_not_prepared_is_refused_with_the_cure(fresh: str) -> None:
    with pytest.raises(ConfigurationError, match="has no tables of ours yet; `ops db upgrade` prepares it"):
        refuse_unless_ready(fresh)


def test_database_that_is_not_there_is_refused_without_the_password() -> None:
    with pytest.raises(ConfigurationError, match=r"cannot use the database of OPS_DATABASE_URL: .*start it") as raised:
        refuse_unless_ready("postgresql://ops:s3cret@127.0.0.1:1/ops")
    assert "s3cret" not in str(raised.value)
