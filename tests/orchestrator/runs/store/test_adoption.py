"""Runs from elsewhere, which a store takes in whole or not at all."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from run_records import GOOD, RUN_ID, contents, leave, store_two_runs

from ops_orchestrator.errors import ConflictError, DamagedRunError, NotFoundError, RunExistsError
from ops_orchestrator.runs.store.folder import FolderStore


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """The folder of a run in another store."""
    store_two_runs(tmp_path / "elsewhere")
    return tmp_path / "elsewhere" / RUN_ID


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FolderStore]:
    with closing(FolderStore.open(tmp_path / "runs")) as opened:
        yield opened


def copy_of(folder: Path) -> Callable[[Path], None]:
    def fill(into: Path) -> None:
        shutil.copytree(folder, into, dirs_exist_ok=True)

    return fill


def of_a_run(store: FolderStore) -> list[str]:
    """All that is in the store, besides what it keeps for itself."""
    return [path.name for path in store.folder.iterdir() if "run_" in path.name]


def test_adopted_run_is_listed_and_can_be_read(store: FolderStore, elsewhere: Path) -> None:
    record = store.adopt(RUN_ID, copy_of(elsewhere))
    assert [run.run_id for run in store.page(10).runs] == [RUN_ID]
    assert (store.record(RUN_ID), contents(store.location(RUN_ID))) == (record, contents(elsewhere))


def test_nothing_is_seen_of_a_run_until_it_is_whole(store: FolderStore, elsewhere: Path) -> None:
    def fill(folder: Path) -> None:
        copy_of(elsewhere)(folder)
        assert store.page(10).runs == []
        with pytest.raises(NotFoundError):
            store.record(RUN_ID)
        assert store.left() == set()

    store.adopt(RUN_ID, fill)
    assert of_a_run(store) == [RUN_ID]


def test_run_whose_files_do_not_come_leaves_nothing(store: FolderStore, elsewhere: Path) -> None:
    def fill(folder: Path) -> None:
        copy_of(elsewhere)(folder)
        raise NotFoundError("the rest is missing")

    with pytest.raises(NotFoundError):
        store.adopt(RUN_ID, fill)
    assert of_a_run(store) == []


def test_run_that_is_there_is_never_replaced(store: FolderStore, elsewhere: Path) -> None:
    store.adopt(RUN_ID, copy_of(elsewhere))
    before = contents(store.location(RUN_ID))
    (elsewhere / "results.json").write_text("{}")
    with pytest.raises(RunExistsError):
        store.adopt(RUN_ID, copy_of(elsewhere))
    assert (contents(store.location(RUN_ID)), of_a_run(store)) == (before, [RUN_ID])


def test_run_is_adopted_by_one_process_at_a_time(store: FolderStore, elsewhere: Path) -> None:
    def fill(folder: Path) -> None:
        copy_of(elsewhere)(folder)
        with pytest.raises(ConflictError, match="by another process"):
            store.adopt(RUN_ID, copy_of(elsewhere))

    assert store.adopt(RUN_ID, fill).run_id == RUN_ID


def test_run_that_is_not_over_is_not_adopted(store: FolderStore, elsewhere: Path) -> None:
    leave(elsewhere)
    with pytest.raises(ConflictError, match="only a run that is over"):
        store.adopt(RUN_ID, copy_of(elsewhere))
    assert of_a_run(store) == []


def test_run_is_not_adopted_under_the_id_of_another(store: FolderStore, elsewhere: Path) -> None:
    with pytest.raises(DamagedRunError, match="belongs to the run"):
        store.adopt(GOOD, copy_of(elsewhere))
    assert of_a_run(store) == []
