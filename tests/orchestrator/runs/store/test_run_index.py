"""What every RunIndex does."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from run_records import record

from ops_orchestrator.runs.run_filter import RunFilter
from ops_orchestrator.runs.store.protocols import IndexedRun, RunIndex
from ops_orchestrator.runs.store.sqlite_index import FILE_NAME, SqliteIndex


@pytest.fixture(params=["in a file", "in memory"])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunIndex]:
    if request.param == "in memory":
        (tmp_path / FILE_NAME).mkdir()  # where the file would be
    with closing(SqliteIndex.open(tmp_path)) as index:
        yield index


def ids(page: list[IndexedRun]) -> list[str]:
    return [run.position.run_id for run in page]


def test_page_lists_newest_first(index: RunIndex) -> None:
    index.put([record(1), record(3), record(2)])
    assert ids(index.page(10)) == ["run_3", "run_2", "run_1"]


def test_page_goes_on_where_the_one_before_ended(index: RunIndex) -> None:
    index.put(record(number) for number in range(5))
    first = index.page(2)
    assert ids(first) == ["run_4", "run_3"]
    assert ids(index.page(2, after=first[-1].position)) == ["run_2", "run_1"]


def test_runs_of_the_same_moment_are_each_listed_once(index: RunIndex) -> None:
    same = [record(7).model_copy(update={"run_id": f"run_{name}"}) for name in "abcd"]
    index.put(same)
    first = index.page(2)
    assert sorted(ids(first) + ids(index.page(9, after=first[-1].position))) == ["run_a", "run_b", "run_c", "run_d"]


def test_page_is_filtered_by_scenario_and_status(index: RunIndex) -> None:
    index.put([record(1, "a"), record(2, "b"), record(3, "a", "failed")])
    assert ids(index.page(10, RunFilter(scenario_id="a"))) == ["run_3", "run_1"]
    assert ids(index.page(10, RunFilter(scenario_id="a", status="failed"))) == ["run_3"]
    assert ids(index.page(10, RunFilter(scenario_id="zzz"))) == []


def test_page_of_every_filter_after_a_position_is_the_rest_of_it(index: RunIndex) -> None:
    index.put([record(number, scenario, status) for number, (scenario, status) in enumerate(BOTH_TWICE)])
    for scenario, status in ((None, None), ("a", None), (None, "failed"), ("a", "failed")):
        where = RunFilter(scenario_id=scenario, status=status)
        everything = index.page(10, where)
        assert len(everything) >= 2
        assert index.page(10, where, everything[0].position) == everything[1:]


BOTH_TWICE = [("a", "failed"), ("b", "completed"), ("a", "completed"), ("b", "failed"), ("a", "failed")]


def test_put_again_replaces_what_was_known(index: RunIndex) -> None:
    index.put([record(1, status="running")])
    index.put([record(1, status="failed")])
    assert (index.run_ids("running"), index.run_ids("failed")) == (set(), {"run_1"})


def test_dropped_run_is_no_longer_listed(index: RunIndex) -> None:
    index.put([record(1), record(2)])
    index.drop(["run_1"])
    assert index.run_ids() == {"run_2"}
