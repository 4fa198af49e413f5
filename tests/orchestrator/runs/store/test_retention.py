"""Old runs are deleted wholly and slowly, and never one that somebody may still need."""

import queue
import shutil
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from run_records import hold_record, keep_record, record

from ops_orchestrator.runs.store.all_runs import all_runs, usage
from ops_orchestrator.runs.store.folder import FolderStore
from ops_orchestrator.runs.store.retention import Retention, Rule, expired, prune

NOW = datetime(2026, 4, 1, tzinfo=UTC)
DAYS_90 = Rule(timedelta(days=90))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FolderStore]:
    with closing(FolderStore.open(tmp_path / "runs")) as store:
        yield store


def keep(
    store: FolderStore, started_at: str, *, ended: bool = True, labels: dict[str, str] | None = None, **fields: Any
) -> str:
    """Keep a run, which ended when it started; returns its id."""
    at = datetime.fromisoformat(started_at).replace(tzinfo=UTC)
    run_id = f"run_{at:%Y-%m-%dT%H-%M-%SZ}_000000"
    request = {"scenario_id": "demo", "inputs": {}, "run_options": {"labels": labels} if labels else {}}
    over = {"status": "completed", "finished_at": f"{at:%Y-%m-%dT%H:%M:%S}Z"} if ended else {"status": "running"}
    update = {"run_id": run_id, "request": request, "started_at": f"{at:%Y-%m-%dT%H:%M:%S}Z", **over, **fields}
    made = record(1).model_copy(update=update)
    keep_record(store, made)
    return run_id


def ids(store: FolderStore, rule: Rule) -> list[str]:
    return [run.run_id for run in expired(store, rule, NOW)]


def test_runs_that_ended_longer_ago_are_expired_newest_first(store: FolderStore) -> None:
    oldest, old = keep(store, "2025-01-01"), keep(store, "2025-12-31")
    keep(store, "2026-01-02")
    assert ids(store, DAYS_90) == [old, oldest]


def test_run_that_started_long_ago_and_ended_lately_stays(store: FolderStore) -> None:
    keep(store, "2025-01-01", finished_at="2026-03-01T00:00:00Z")
    assert ids(store, DAYS_90) == []


def test_labelled_runs_stay_where_they_are_kept(store: FolderStore) -> None:
    labelled, plain = keep(store, "2025-01-02", labels={"study": "x"}), keep(store, "2025-01-01")
    assert ids(store, DAYS_90) == [labelled, plain]
    assert ids(store, Rule(timedelta(days=90), keep_labelled=True)) == [plain]


def test_newest_runs_of_all_stay_however_old_they_are(store: FolderStore) -> None:
    oldest = keep(store, "2025-01-01")
    keep(store, "2025-01-02")
    keep(store, "2025-01-03")
    assert ids(store, Rule(timedelta(days=90), keep_last=2)) == [oldest]


def test_run_that_is_not_over_stays(store: FolderStore) -> None:
    run_id = keep(store, "2025-01-01", ended=False)
    assert ids(store, DAYS_90) == []
    assert not store.remove(run_id)


def test_run_that_is_damaged_stays(store: FolderStore) -> None:
    run_id = keep(store, "2025-01-01")
    (store.location(run_id) / "run.json").write_text("{")
    assert ids(store, DAYS_90) == []
    assert list(prune(store, [run_id], wait=lambda _: None)) == []
    assert store.location(run_id).exists()


async def test_run_whose_lease_is_held_stays(store: FolderStore) -> None:
    update = {"run_id": "run_2025-01-01T00-00-00Z_000000", "finished_at": "2025-01-01T00:00:00Z"}
    held = await hold_record(store, record(1).model_copy(update=update))
    assert not store.remove(update["run_id"])
    await held.abandon()
    assert store.remove(update["run_id"])


def test_run_that_is_removed_leaves_neither_folder_nor_entry(store: FolderStore) -> None:
    removed, other = keep(store, "2025-01-01"), keep(store, "2025-01-02")
    assert list(prune(store, [removed], wait=lambda _: None)) == [removed]
    assert [run.run_id for run in all_runs(store)] == [other]
    assert {path.name for path in store.folder.iterdir() if not path.name.startswith(".index")} == {other, ".keys"}


def test_run_that_is_gone_meanwhile_does_not_end_the_pruning(store: FolderStore) -> None:
    gone, other = keep(store, "2025-01-01"), keep(store, "2025-01-02")
    shutil.rmtree(store.location(gone))
    assert list(prune(store, [gone, other], wait=lambda _: None)) == [other]


def test_half_removed_run_is_not_listed_and_goes_at_the_next_start(store: FolderStore) -> None:
    run_id = keep(store, "2025-01-01")
    left = store.location(run_id).rename(store.folder / f".drop-{run_id}")
    store.close()
    with closing(FolderStore.open(store.folder)) as again:
        assert again.page(10).runs == []
        again.recover()
    assert not left.exists()


def test_pauses_keep_the_rate(store: FolderStore) -> None:
    run_ids = [keep(store, f"2025-01-0{day}") for day in range(1, 4)]
    times = iter([0.0, 0.005, 1.0, 1.5, 2.0, 2.02])
    pauses: list[float] = []
    list(prune(store, run_ids, 50.0, wait=pauses.append, clock=lambda: next(times)))
    assert pauses == pytest.approx([0.015, 0.0, 0.0])


def test_pruning_ends_when_the_pause_says_so(store: FolderStore) -> None:
    run_ids = [keep(store, f"2025-01-0{day}") for day in range(1, 4)]
    assert list(prune(store, run_ids, wait=lambda _: True)) == run_ids[:1]


def test_retention_deletes_old_runs_in_the_background(store: FolderStore) -> None:
    keep(store, "2025-01-01")
    now = keep(store, f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}")
    counts: queue.Queue[int] = queue.Queue()
    retention = Retention(store, DAYS_90, deleted=counts.put)
    retention.start()
    assert counts.get() == 1
    retention.stop()
    assert [run.run_id for run in all_runs(store)] == [now]


def test_retention_that_was_not_started_can_be_stopped(store: FolderStore) -> None:
    Retention(store, DAYS_90).stop()


def test_usage_counts_runs_and_bytes_by_status(store: FolderStore) -> None:
    completed, running = keep(store, "2025-01-01"), keep(store, "2025-01-02", ended=False)
    (store.location(running) / "artifacts" / "large").write_bytes(bytes(1000))
    (store.location(completed) / "artifacts" / "link").symlink_to("/")
    found = usage(store, lambda _: None)
    sizes = {status: room.bytes for status, room in found.by_status.items()}
    assert (found.total.runs, set(sizes), found.total.bytes) == (2, {"completed", "running"}, sum(sizes.values()))
    assert 1000 < sizes["running"] < 4000
    assert (found.oldest, found.newest) == ("2025-01-01T00:00:00Z", "2025-01-02T00:00:00Z")
