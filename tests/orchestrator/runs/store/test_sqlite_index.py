import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
from run_records import RUN_ID, record
from system_calls import killed_at

from ops_orchestrator.errors import StoreError
from ops_orchestrator.runs.store.sqlite_index import FILE_NAME, SqliteIndex

OpenIndex = Callable[[], SqliteIndex]


@pytest.fixture
def open_index(tmp_path: Path) -> Iterator[OpenIndex]:
    """Opens the index in `tmp_path`, as often as a service is started."""
    with ExitStack() as opened:
        yield lambda: opened.enter_context(closing(SqliteIndex.open(tmp_path, busy_timeout_s=0.01)))


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep everybody else from reading the index in `folder`."""
    with closing(sqlite3.connect(folder / FILE_NAME)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        yield


def test_index_survives_being_closed(open_index: OpenIndex, tmp_path: Path) -> None:
    (tmp_path / RUN_ID).mkdir()
    index = open_index()
    index.put([record(1).model_copy(update={"run_id": RUN_ID})])
    index.close()
    assert open_index().run_ids("completed") == {RUN_ID}


PUT = """
import sys
from pathlib import Path
from run_records import record
from ops_orchestrator.runs.store.sqlite_index import SqliteIndex

index = SqliteIndex.open(Path(sys.argv[1]))
for number in range(50):
    index.put([record(number, f"scenario {number}")])
    print(number, flush=True)
"""


@pytest.mark.parametrize("number", [101, 104, 107])
def test_index_of_a_process_that_is_killed_while_it_writes_is_whole(tmp_path: Path, number: int) -> None:
    words = [*killed_at("pwrite64", number), sys.executable, "-c", PUT, str(tmp_path)]
    path = {"PYTHONPATH": str(Path(__file__).parents[3])}
    ran = subprocess.run(words, capture_output=True, env=os.environ | path, check=False)
    assert ran.returncode != 0
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("SELECT count(*) FROM runs").fetchone()[0] >= len(ran.stdout.split()) > 1


def test_damaged_index_is_made_again(open_index: OpenIndex, tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"this is not a database, however long one looks at it" * 100)
    assert open_index().run_ids() == set()


def test_index_that_another_process_holds_does_not_stop_a_reader_of_runs(open_index: OpenIndex, tmp_path: Path) -> None:
    open_index().close()
    with held(tmp_path):
        index = open_index()
        index.put([record(1)])
        assert index.run_ids() == {"run_1"}


def test_change_that_another_process_keeps_from_being_written_is_dropped(open_index: OpenIndex, tmp_path: Path) -> None:
    index = open_index()
    index.put([record(1)])
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as other:
        other.execute("BEGIN IMMEDIATE")
        index.put([record(2)])
        index.drop(["run_1"])
    assert index.run_ids() == {"run_1"}


def test_index_beside_runs_that_cannot_be_written_is_kept_in_memory(open_index: OpenIndex, tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    index = open_index()
    index.put([record(1)])
    assert index.run_ids() == {"run_1"}


def test_index_that_cannot_be_read_is_a_store_error(open_index: OpenIndex) -> None:
    index = open_index()
    index.close()
    with pytest.raises(StoreError, match="list of runs cannot be read"):
        index.run_ids()
