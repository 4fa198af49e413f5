"""The index is a cache: whatever becomes of its file, and whenever, the runs are listed and nobody deletes a file."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from run_records import keep, wait_for

from ops_orchestrator.runs.run_filter import RunFilter
from ops_orchestrator.runs.store.folder import FolderStore
from ops_orchestrator.runs.store.sqlite_index import FILE_NAME, SqliteIndex

RUN_IDS = [f"run_2026-01-09T12-00-{number:02}Z_{number:06x}" for number in range(12)]
PAGE_BYTES = 4096
Damage = Callable[[Path], object]


def make_run(store: FolderStore, number: int) -> None:
    wait_for(keep(store, RUN_IDS[number], at=f"2026-01-09T12:00:{number:02}.000Z"))


def listed(store: FolderStore) -> list[str]:
    return [run.run_id for run in reversed(store.page(500).runs)]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store, whose index has a page for its schema, its table and each of its indexes."""
    folder = tmp_path_factory.mktemp("runs")
    with closing(FolderStore.open(folder)) as store:
        for number in range(len(RUN_IDS) - 1):
            make_run(store, number)
    return folder


@pytest.fixture
def folder(stored: Path, tmp_path: Path) -> Path:
    """A copy of the store, of which the files of the runs are shared."""
    subprocess.run(["cp", "-al", stored, tmp_path / "runs"], check=True)
    index = tmp_path / "runs" / FILE_NAME
    content = index.read_bytes()
    index.unlink()
    index.write_bytes(content)
    return tmp_path / "runs"


@pytest.fixture
def store(folder: Path) -> Iterator[FolderStore]:
    with closing(FolderStore.open(folder)) as store:
        yield store


def overwritten_from(start: int) -> Damage:
    def overwrite(index: Path) -> None:
        content = index.read_bytes()
        with index.open("r+b") as file:
            file.seek(start)
            file.write(b"\xff" * (len(content) - start))

    return overwrite


def zeroed_from(start: int) -> Damage:
    def zero(index: Path) -> None:
        size = index.stat().st_size
        os.truncate(index, start)
        os.truncate(index, size)

    return zero


def truncated_to(size: int) -> Damage:
    return lambda index: os.truncate(index, size)


def executed(statements: str) -> Damage:
    def execute(index: Path) -> None:
        with closing(sqlite3.connect(index)) as connection:
            connection.executescript(statements)

    return execute


def replaced_by(make: Damage) -> Damage:
    def replace(index: Path) -> None:
        index.unlink()
        make(index)

    return replace


ELSEWHERE = "CREATE TABLE theirs (a); PRAGMA user_version = 7;"
DAMAGE: dict[str, Damage] = {
    "header": overwritten_from(0),
    "schema": overwritten_from(100),
    "second page": overwritten_from(PAGE_BYTES),
    "last page": lambda index: overwritten_from(index.stat().st_size - PAGE_BYTES)(index),
    "zeros": zeroed_from(PAGE_BYTES),
    "empty": truncated_to(0),
    "half a page": truncated_to(PAGE_BYTES // 2),
    "two pages": truncated_to(PAGE_BYTES * 2),
    "gone": Path.unlink,
    "no table": executed("DROP TABLE runs"),
    "other columns": executed("DROP TABLE runs; CREATE TABLE runs (run_id, started_at, scenario_id, status, more)"),
    "foreign": replaced_by(executed(ELSEWHERE)),
    "foreign values": executed("UPDATE runs SET run_id = x'ff' || run_id; UPDATE tagged SET started_us = zeroblob(9)"),
    "foreign runs": executed("UPDATE runs SET run_id = '../' || run_id, status = 'running'"),
    "folder": replaced_by(Path.mkdir),
    "pipe": replaced_by(os.mkfifo),
    "link": lambda index: index.rename(index.with_name("real")).parent.joinpath(FILE_NAME).symlink_to("real"),
    "link to nothing": replaced_by(lambda index: index.symlink_to("nowhere")),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_index_that_was_damaged_while_nobody_looked_is_made_again(folder: Path, kind: str) -> None:
    DAMAGE[kind](folder / FILE_NAME)
    with closing(FolderStore.open(folder)) as store:
        assert listed(store) == RUN_IDS[:-1]
        assert len(store.recover()) == 0
        make_run(store, len(RUN_IDS) - 1)
        assert listed(store) == RUN_IDS
        assert len(store.page(500, where=RunFilter(status="completed")).runs) == len(RUN_IDS)


@pytest.mark.parametrize("kind", [kind for kind in DAMAGE if not kind.startswith("foreign ")])
@pytest.mark.parametrize("first", [listed, lambda store: make_run(store, len(RUN_IDS) - 1)], ids=["page", "put"])
def test_index_that_is_damaged_while_it_is_open_is_made_again(
    folder: Path, store: FolderStore, kind: str, first: Callable[[FolderStore], object]
) -> None:
    assert listed(store) == RUN_IDS[:-1]
    DAMAGE[kind](folder / FILE_NAME)
    first(store)
    assert set(listed(store)) >= set(RUN_IDS[:-1])
    assert len(store.page(500, where=RunFilter(status="completed")).runs) == len(listed(store))


@pytest.mark.parametrize("summary", ["", "[]", "{}", '{"scenario_id": [], "labels": {}, "status": {}}'])
def test_run_whose_row_is_not_one_of_ours_is_listed_again_once_it_is_put(folder: Path, summary: str) -> None:
    executed(f"UPDATE runs SET summary = '{summary}'")(folder / FILE_NAME)  # noqa: S608  # rows of the parametrised list
    with closing(FolderStore.open(folder)) as store, closing(SqliteIndex.open(folder)) as index:
        assert listed(store) == []
        index.put(store.record(run_id) for run_id in RUN_IDS[:-1])
        assert listed(store) == RUN_IDS[:-1]


def test_what_a_link_in_the_place_of_the_index_leads_to_is_not_changed(folder: Path) -> None:
    other = folder.with_name("other.sqlite3")
    executed(ELSEWHERE)(other)
    before = other.read_bytes()
    (folder / FILE_NAME).unlink()
    (folder / FILE_NAME).symlink_to(other)
    with closing(FolderStore.open(folder)) as store:
        assert listed(store) == RUN_IDS[:-1]
    assert other.read_bytes() == before


def test_run_of_one_process_is_listed_by_another_after_the_index_was_made_again(folder: Path, store: FolderStore) -> None:
    listed(store)
    overwritten_from(PAGE_BYTES)(folder / FILE_NAME)
    with closing(FolderStore.open(folder)) as other:
        make_run(store, len(RUN_IDS) - 1)
        assert listed(other) == listed(store) == RUN_IDS


LIST = f"""
import sys
from pathlib import Path
from ops_orchestrator.runs.store.folder import FolderStore

store = FolderStore.open(Path(sys.argv[1]))
sys.stdin.read()
assert len(store.page(500).runs) == {len(RUN_IDS) - 1}
"""


def test_two_processes_may_make_the_index_again_at_once(folder: Path) -> None:
    overwritten_from(PAGE_BYTES)(folder / FILE_NAME)
    words = [sys.executable, "-c", LIST, str(folder)]
    processes = [subprocess.Popen(words, stdin=subprocess.PIPE) for _ in range(2)]
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0, 0]
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (len(RUN_IDS) - 1,)


NOBODY = 65534
LATER = "run_2026-01-09T12-30-00Z_ffffff"


def listed_by(user: int, folder: Path) -> list[str]:
    """The runs that a process of another user lists after it made one."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        try:
            os.setuid(user)
            with closing(FolderStore.open(folder)) as store:
                wait_for(keep(store, LATER, at="2026-01-09T12:30:00.000Z"))
                os.write(writing, json.dumps(listed(store)).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        return list(json.loads(answer.read() or "[]"))


@pytest.fixture
def public(stored: Path) -> Iterator[Path]:
    """A copy of the store in a folder that any user can reach."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(shutil.copytree(stored, f"{name}/runs"))


@pytest.mark.skipif(os.getuid() != 0, reason="only root may become another user")
def test_index_that_a_crash_of_another_user_left_and_that_may_not_be_written_is_made_again(public: Path) -> None:
    with closing(SqliteIndex.open(public)) as index:
        index.drop([RUN_IDS[3]])
        as_after_a_crash = {path: path.read_bytes() for path in public.glob(f"{FILE_NAME}*")}
    for path, content in as_after_a_crash.items():
        path.write_bytes(content)
    for path in (public, public / ".keys"):
        os.chown(path, NOBODY, NOBODY)
    assert listed_by(NOBODY, public) == [*RUN_IDS[:-1], LATER]
