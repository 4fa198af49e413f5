"""How SQLite looks up a page: what it has to read grows with the page, and not with the number of runs."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import pytest

from ops_orchestrator.runs.run_filter import EVERY_RUN, RunFilter
from ops_orchestrator.runs.store.index_rows import EVERY_TAG, SCHEMA, page_query, tags_in
from ops_orchestrator.runs.store.listed_run import Position

AT = datetime(2026, 1, 9, tzinfo=UTC)
SINGLE = [
    EVERY_RUN,
    RunFilter(scenario_id="a"),
    RunFilter(status="failed"),
    RunFilter(labels=(("team", None),)),
    RunFilter(labels=(("team", "x"),)),
    RunFilter(module="m"),
    RunFilter(since=AT),
    RunFilter(until=AT),
    RunFilter(fingerprint="f" * 64),
    RunFilter(reproduces="run_1"),
    RunFilter(sweep="sweep_1"),
]


@pytest.mark.parametrize("after", [None, Position(1, "run_1")], ids=["first page", "next page"])
@pytest.mark.parametrize("where", [*SINGLE, RunFilter("a", "failed", (("team", "x"),), "m", AT, AT, "f" * 64)], ids=str)
def test_page_is_searched_for_and_never_scanned_or_sorted(where: RunFilter, after: Position | None) -> None:
    query, parameters = page_query(tags_in(where, where.fingerprint) or [EVERY_TAG], 51, where, after)
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(SCHEMA)
        plan = [detail for *_, detail in connection.execute(f"EXPLAIN QUERY PLAN {query}", parameters)]
    assert plan[0].startswith("SEARCH t USING PRIMARY KEY (tag=? AND started_us>?")
    assert not [detail for detail in plan if "SCAN" in detail or "TEMP B-TREE" in detail]
