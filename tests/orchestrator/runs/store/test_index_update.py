"""Runs that the index does not know are read at the start: a few at once, many while runs are made and listed."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
from run_records import RUN_ID, keep_record, make_folders, record

from ops_orchestrator.runs.store.claimed_keys import FOLDER_NAME
from ops_orchestrator.runs.store.folder import FolderStore
from ops_orchestrator.runs.store.index_update import Progress
from ops_orchestrator.runs.store.sqlite_index import FILE_NAME

pytestmark = pytest.mark.slow

MANY = 501
OpenStore = Callable[[], FolderStore]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A store with many runs and an index that knows none of them."""
    FolderStore.open(tmp_path).close()
    make_folders(tmp_path, MANY)
    return tmp_path


@pytest.fixture
def open_store(folder: Path) -> Iterator[OpenStore]:
    """Opens the store as a service does."""
    with ExitStack() as opened:
        yield lambda: opened.enter_context(closing(FolderStore.open(folder, in_background=True)))


@contextmanager
def nothing_written(folder: Path) -> Iterator[None]:
    """Keep everybody else from writing in the index."""
    with closing(sqlite3.connect(folder / FILE_NAME, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def test_list_says_that_it_is_not_complete_while_many_runs_are_read(folder: Path, open_store: OpenStore) -> None:
    with nothing_written(folder):
        store = open_store()
        page = store.page(10)
        assert (page.runs, page.is_complete) == ([], False)
    assert store.wait_until_complete(60)
    assert len(store.page(500).runs) == 500


def test_run_that_is_made_while_many_are_read_is_listed_at_once(open_store: OpenStore) -> None:
    store = open_store()
    made = record(1, status="running").model_copy(update={"run_id": RUN_ID, "started_at": "2026-02-01T00:00:00.000Z"})
    keep_record(store, made)
    assert store.page(1).runs[0].run_id == RUN_ID


def test_reading_goes_on_where_a_store_that_was_closed_stopped(folder: Path, open_store: OpenStore) -> None:
    open_store().close()
    with closing(FolderStore.open(folder)) as store:
        assert store.page(1).is_complete
        assert len(store.page(500).runs) == 500


def test_two_stores_read_the_same_runs_once_each(open_store: OpenStore) -> None:
    stores = [open_store(), open_store()]
    for store in stores:
        assert store.wait_until_complete(60)
        assert len({run.run_id for run in store.page(500).runs}) == 500


def test_index_that_is_lost_while_it_is_open_is_filled_in_the_background(folder: Path, open_store: OpenStore) -> None:
    store = open_store()
    assert store.wait_until_complete(60)
    (folder / FILE_NAME).unlink()
    store.page(1)
    assert store.wait_until_complete(60)
    assert len(store.page(500).runs) == 500


def test_claim_waits_while_the_keys_of_many_runs_are_read(folder: Path, open_store: OpenStore) -> None:
    shutil.rmtree(folder / FOLDER_NAME)
    store = open_store()
    with ThreadPoolExecutor(1) as executor:
        with nothing_written(folder):
            claimed = executor.submit(store.claim, "c" * 64, RUN_ID)
            assert not claimed.done()
        assert claimed.result() == RUN_ID
    assert store.page(1).is_complete


def test_progress_is_reported_where_many_runs_are_read(folder: Path) -> None:
    reported: list[Progress] = []
    FolderStore.open(folder, report=reported.append).close()
    assert reported[0] == Progress(0, MANY)
    FolderStore.open(folder, report=reported.append).close()
    assert len([progress for progress in reported if progress.done == 0]) == 1


def test_run_that_goes_while_it_is_read_does_not_stop_the_others(folder: Path) -> None:
    shutil.rmtree(next(folder.glob("run_*")))
    (next(folder.glob("run_*")) / "run.json").chmod(0)
    with closing(FolderStore.open(folder)) as store:
        assert len(store.page(500).runs) == MANY - 1


def test_index_that_cannot_be_filled_for_now_is_filled_later(folder: Path, open_store: OpenStore) -> None:
    store = open_store()
    assert store.wait_until_complete(60)
    folder.rename(folder.with_name("gone"))
    assert store.page(1).runs == []
    assert not store.is_complete
    folder.with_name("gone").rename(folder)
    assert store.wait_until_complete(60)
    assert len(store.page(500).runs) == 500
