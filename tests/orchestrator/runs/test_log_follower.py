"""Who watches a run that another process executes."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from run_records import RUN_ID, begin, keep

from ops_orchestrator.runs.cluster.news import Watch
from ops_orchestrator.runs.log_follower import LogFollower
from ops_orchestrator.runs.store.folder import FolderStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FolderStore]:
    with closing(FolderStore.open(tmp_path)) as store:
        yield store


class NoNews:
    @contextmanager
    def of(self, _: str) -> Iterator[Watch]:
        yield Watch()


@pytest.mark.parametrize("log", [b"", b"garbage", b'{"seq":1}\n'])
async def test_watcher_of_a_run_that_is_over_ends_although_its_log_lacks_an_end(store: FolderStore, log: bytes) -> None:
    await keep(store)
    (store.folder / RUN_ID / "logs.jsonl").write_bytes(log)
    with LogFollower(store, NoNews()).follow(RUN_ID) as watcher:
        if log.endswith(b"\n"):
            assert len(await watcher.take(within_s=60)) == 1
        assert await watcher.take(within_s=0.01) == []
        assert watcher.ended == "stopping"


async def test_watcher_of_a_run_that_goes_on_waits(store: FolderStore) -> None:
    run = await begin(store)
    await run.recorder.durable()
    with LogFollower(store, NoNews()).follow(RUN_ID) as watcher:
        assert len(await watcher.take(within_s=60)) == 2
        with pytest.raises(TimeoutError):
            await watcher.take(within_s=0.01)
        assert watcher.ended is None
    await run.die()
