"""What every RunIndex does."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from run_records import GOOD, RUN_ID, record

from ops_orchestrator.errors import InvalidRequestError
from ops_orchestrator.runs.cluster.postgres_index import PostgresIndex
from ops_orchestrator.runs.events import Fingerprints
from ops_orchestrator.runs.record import RunRecord, StepRecord
from ops_orchestrator.runs.run_filter import RunFilter
from ops_orchestrator.runs.store.folder_source import FolderSource
from ops_orchestrator.runs.store.listed_run import CallCounts, IndexedRun, ReadRun
from ops_orchestrator.runs.store.protocols import RunIndex
from ops_orchestrator.runs.store.sqlite_index import FILE_NAME, SqliteIndex

KEY = "c" * 64


@pytest.fixture(params=["in a file", "in memory", pytest.param("in PostgreSQL", marks=pytest.mark.slow)])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunIndex]:
    if request.param == "in PostgreSQL":
        with closing(PostgresIndex.open(request.getfixturevalue("database"), FolderSource(tmp_path))) as index:
            yield index
        return
    if request.param == "in memory":
        (tmp_path / FILE_NAME).mkdir()  # where the file would be
    with closing(SqliteIndex.open(tmp_path)) as index:
        yield index


def ids(page: list[IndexedRun]) -> list[str]:
    return [run.position.run_id for run in page]


FULL = record(1).model_copy(
    update={
        "request": {"scenario_id": "a", "inputs": {}, "run_options": {"labels": {"team": "x", "study": "y"}}},
        "steps": (StepRecord(step=1, id="s", module="m", action="execute"),),
        "reproduces": GOOD,
        "sweep": "sweep_1",
        "fingerprints": Fingerprints(recipe="aaaaaaaa" + "1" * 56, result="bbbbbbbb" + "2" * 56),
    }
)
"""A run that has something of everything."""

NEXT_DAY = datetime(2026, 1, 10, tzinfo=UTC)

WANTED = [
    RunFilter(scenario_id="a"),
    RunFilter(status="completed"),
    RunFilter(labels=(("team", None),)),
    RunFilter(labels=(("team", "x"), ("study", None))),
    RunFilter(module="m"),
    RunFilter(since=datetime(2026, 1, 9, 12, 0, 1, tzinfo=UTC)),
    RunFilter(until=NEXT_DAY),
    RunFilter(fingerprint="aaaaaaaa"),
    RunFilter(fingerprint="bbbbbbbb" + "2" * 56),
    RunFilter(reproduces=GOOD),
    RunFilter(sweep="sweep_1"),
    RunFilter("a", "completed", (("team", "x"),), "m", datetime(2026, 1, 9, tzinfo=UTC), NEXT_DAY, "aaaaaaaa1"),
]
UNWANTED = [
    RunFilter(scenario_id="A"),
    RunFilter(status="failed"),
    RunFilter(reproduces=RUN_ID),
    RunFilter(sweep="sweep_2"),
    RunFilter(labels=(("x", None),)),
    RunFilter(labels=(("team", "y"),)),
    RunFilter(labels=(("team", None), ("other", None))),
    RunFilter(module="s"),
    RunFilter(since=NEXT_DAY),
    RunFilter(until=datetime(2026, 1, 9, 12, 0, 1, tzinfo=UTC)),
    RunFilter(fingerprint="aaaaaaaa2"),
    RunFilter("a", "failed", (("team", "x"),), "m", datetime(2026, 1, 9, tzinfo=UTC), NEXT_DAY, "aaaaaaaa1"),
]


@pytest.mark.parametrize("where", WANTED, ids=str)
def test_run_is_found_by_everything_that_it_has(index: RunIndex, where: RunFilter) -> None:
    index.put([FULL])
    (found,) = index.page(10, where)
    assert where.accepts(found.summary)


@pytest.mark.parametrize("where", UNWANTED, ids=str)
def test_run_is_not_found_by_what_it_does_not_have(index: RunIndex, where: RunFilter) -> None:
    index.put([FULL])
    assert index.page(10, where) == []


@pytest.mark.parametrize("where", WANTED, ids=str)
def test_run_that_changed_is_not_found_by_what_it_was(index: RunIndex, where: RunFilter) -> None:
    index.put([FULL])
    later = record(1).model_copy(update={"started_at": "2026-01-11T00:00:00Z", "status": "failed"})
    index.put([later])
    assert [run.summary.status for run in index.page(10, where)] == (["failed"] if where.since and not where.until else [])


@pytest.mark.parametrize(
    "labels",
    [None, ["a"], {"a": 1}, {"a": "x" * 10_000}, {str(number): "x" for number in range(100)}, {"\x1b[0m": "\u0000"}],
    ids=lambda labels: str(labels)[:20],
)
def test_run_with_labels_that_no_scenario_can_have_is_listed(index: RunIndex, labels: object) -> None:
    request = {"scenario_id": "a", "inputs": {}, "run_options": {"labels": labels}}
    index.put([record(1).model_copy(update={"request": request})])
    (found,) = index.page(10)
    assert len(found.summary.model_dump_json()) < 1000


def test_times_are_compared_as_moments_and_not_as_text(index: RunIndex) -> None:
    texts = ["2026-01-09T12:00:00.500Z", "2026-01-09T12:00:00Z", "2026-01-09T14:00:01+02:00"]
    index.put(record(number).model_copy(update={"started_at": text}) for number, text in enumerate(texts))
    assert ids(index.page(10)) == ["run_2", "run_0", "run_1"]
    assert ids(index.page(10, RunFilter(since=datetime(2026, 1, 9, 12, 0, 1, tzinfo=UTC)))) == ["run_2"]


def test_beginning_of_several_fingerprints_is_refused(index: RunIndex) -> None:
    other = record(2).model_copy(update={"fingerprints": Fingerprints(result="aaaaaaaa" + "9" * 56)})
    index.put([FULL, other])
    with pytest.raises(InvalidRequestError) as raised:
        index.page(10, RunFilter(fingerprint="aaaaaaaa"))
    assert "is the beginning of several" in raised.value.problems[0].message
    assert ids(index.page(10, RunFilter(fingerprint="aaaaaaaa9"))) == ["run_2"]


def test_runs_of_one_recipe_are_all_found_by_it(index: RunIndex) -> None:
    index.put([FULL, FULL.model_copy(update={"run_id": "run_again"})])
    assert sorted(ids(index.page(10, RunFilter(fingerprint="aaaaaaaa")))) == ["run_1", "run_again"]


def test_what_was_read_does_not_replace_what_was_put_meanwhile(index: RunIndex) -> None:
    index.put([record(1)])
    index.learn([ReadRun(record(1, status="running"), version="older", before="another")])
    assert index.run_ids("completed") == {"run_1"}


def test_key_belongs_to_the_first_run_that_claims_it(index: RunIndex, tmp_path: Path) -> None:
    assert [index.claim(KEY, run_id) for run_id in (RUN_ID, GOOD, RUN_ID)] == [RUN_ID, None, None]
    (tmp_path / RUN_ID).mkdir()
    assert [index.claim(KEY, run_id) for run_id in (RUN_ID, GOOD)] == [RUN_ID, RUN_ID]


def test_key_that_is_released_can_be_claimed_again(index: RunIndex) -> None:
    index.claim(KEY, RUN_ID)
    index.release(KEY, GOOD)
    assert index.claim(KEY, GOOD) is None
    index.release(KEY, RUN_ID)
    assert index.claim(KEY, GOOD) == GOOD


def test_key_of_a_run_that_is_dropped_is_free(index: RunIndex, tmp_path: Path) -> None:
    (tmp_path / RUN_ID).mkdir()
    index.put([record(1).model_copy(update={"run_id": RUN_ID, "idempotency_key": KEY})])
    assert index.claim(KEY, GOOD) == RUN_ID
    index.drop([RUN_ID])
    assert index.claim(KEY, GOOD) == GOOD


@pytest.mark.parametrize("key", ["", "../../x", "A" * 64, "a" * 63, "a" * 65])
def test_key_in_a_record_that_is_not_a_hash_is_ignored(index: RunIndex, key: str) -> None:
    index.put([record(1).model_copy(update={"idempotency_key": key})])
    index.drop(["run_1"])
    assert index.run_ids() == set()


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


def called(number: int, *statuses: str, module: str = "m") -> RunRecord:
    """A run with a step of `module` for each status, of which step k took k seconds."""
    steps = [
        StepRecord.model_validate(
            {
                "step": step,
                "id": f"s{step}",
                "module": module,
                "action": "execute",
                "status": status,
                "started_at": "2026-01-09T12:00:00Z",
                "finished_at": f"2026-01-09T12:00:{step:02}Z",
            }
        )
        for step, status in enumerate(statuses, start=1)
    ]
    return record(number).model_copy(update={"steps": tuple(steps)})


def test_calls_that_are_over_are_counted_by_module(index: RunIndex) -> None:
    index.put([called(1, "completed", "failed", "completed"), called(2, "interrupted", "running", "pending")])
    index.put([called(3, "failed", module="n")])
    assert index.calls("m") == CallCounts(calls=4, failed=1, median_s=2.0)
    assert index.calls("n") == CallCounts(calls=1, failed=1, median_s=None)
    assert index.calls("x") == CallCounts(calls=0, failed=0, median_s=None)


def test_last_calls_are_the_newest_first(index: RunIndex) -> None:
    index.put([called(1, "completed", "failed"), called(2, "completed")])
    assert index.last_calls("m", 2) == [("run_2", 1), ("run_1", 2)]


def test_calls_of_a_run_that_changed_or_went_are_not_counted_any_more(index: RunIndex) -> None:
    index.put([called(1, "completed", "failed"), called(2, "failed")])
    index.put([called(1, "completed", module="n")])
    index.drop(["run_2"])
    assert index.calls("m") == CallCounts(calls=0, failed=0, median_s=None)
    assert index.calls("n").calls == 1
