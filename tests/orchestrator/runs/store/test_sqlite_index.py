import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from ops_orchestrator.runs.record import RunRecord
from ops_orchestrator.runs.store.protocols import Position
from ops_orchestrator.runs.store.sqlite_index import FILE_NAME, SqliteIndex

OpenIndex = Callable[[], SqliteIndex]


def record(number: int, scenario_id: str = "demo", status: str = "completed") -> RunRecord:
    return RunRecord.model_validate(
        {
            "run_id": f"run_{number}",
            "status": status,
            "request": {"scenario_id": scenario_id, "modules": ["alpha"]},
            "plan": [],
            "started_at": f"2026-01-09T12:34:{number:02}.000Z",
            "versions": {},
            "steps": [],
        }
    )


@pytest.fixture
def open_index(tmp_path: Path) -> Iterator[OpenIndex]:
    """Opens the index in `tmp_path`, as often as a service is started."""
    with ExitStack() as opened:
        yield lambda: opened.enter_context(closing(SqliteIndex.open(tmp_path, busy_timeout_s=0.01)))


@pytest.fixture
def index(open_index: OpenIndex) -> SqliteIndex:
    return open_index()


def ids(page: list[Position]) -> list[str]:
    return [position.run_id for position in page]


def test_page_lists_newest_first(index: SqliteIndex) -> None:
    index.put([record(1), record(3), record(2)])
    assert ids(index.page(10, None, None, None)) == ["run_3", "run_2", "run_1"]


def test_page_goes_on_where_the_one_before_ended(index: SqliteIndex) -> None:
    index.put(record(number) for number in range(5))
    first = index.page(2, None, None, None)
    assert ids(first) == ["run_4", "run_3"]
    assert ids(index.page(2, None, None, first[-1])) == ["run_2", "run_1"]


def test_runs_of_the_same_moment_are_each_listed_once(index: SqliteIndex) -> None:
    same = [record(7).model_copy(update={"run_id": f"run_{name}"}) for name in "abcd"]
    index.put(same)
    first = index.page(2, None, None, None)
    assert sorted(ids(first) + ids(index.page(9, None, None, first[-1]))) == ["run_a", "run_b", "run_c", "run_d"]


def test_page_is_filtered_by_scenario_and_status(index: SqliteIndex) -> None:
    index.put([record(1, "a"), record(2, "b"), record(3, "a", "failed")])
    assert ids(index.page(10, "a", None, None)) == ["run_3", "run_1"]
    assert ids(index.page(10, "a", "failed", None)) == ["run_3"]
    assert ids(index.page(10, "zzz", None, None)) == []


def test_page_of_every_filter_after_a_position_is_the_rest_of_it(index: SqliteIndex) -> None:
    index.put([record(number, scenario, status) for number, (scenario, status) in enumerate(BOTH_TWICE)])
    for scenario, status in ((None, None), ("a", None), (None, "failed"), ("a", "failed")):
        everything = index.page(10, scenario, status, None)
        assert len(everything) >= 2
        assert index.page(10, scenario, status, everything[0]) == everything[1:]


BOTH_TWICE = [("a", "failed"), ("b", "completed"), ("a", "completed"), ("b", "failed"), ("a", "failed")]


def test_put_again_replaces_what_was_known(index: SqliteIndex) -> None:
    index.put([record(1, status="running")])
    index.put([record(1, status="failed")])
    assert (index.run_ids("running"), index.run_ids("failed")) == (set(), {"run_1"})


def test_dropped_run_is_no_longer_listed(index: SqliteIndex) -> None:
    index.put([record(1), record(2)])
    index.drop(["run_1"])
    assert index.run_ids() == {"run_2"}


def test_index_survives_being_closed(open_index: OpenIndex) -> None:
    index = open_index()
    index.put([record(1)])
    index.close()
    assert open_index().run_ids() == {"run_1"}


def test_damaged_index_is_made_anew(open_index: OpenIndex, tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"this is not a database, however long one looks at it" * 100)
    assert open_index().run_ids() == set()


def test_index_that_another_process_holds_does_not_stop_a_reader_of_runs(open_index: OpenIndex, tmp_path: Path) -> None:
    open_index().close()
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as other:
        other.execute("BEGIN EXCLUSIVE")
        index = open_index()
        index.put([record(1)])
        assert index.run_ids() == {"run_1"}


def test_index_beside_runs_that_cannot_be_written_is_kept_in_memory(open_index: OpenIndex, tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    index = open_index()
    index.put([record(1)])
    assert index.run_ids() == {"run_1"}
