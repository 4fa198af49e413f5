"""Idempotency keys stay with one run: among processes, over restarts, and while the index is lost and made again."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from hashlib import sha256
from pathlib import Path

import pytest
from run_records import GOOD, RUN_ID, hold_record, keep_record, record

from ops_orchestrator.errors import StoreError
from ops_orchestrator.runs.store.claimed_keys import FOLDER_NAME
from ops_orchestrator.runs.store.folder import FolderStore
from ops_orchestrator.runs.store.sqlite_index import FILE_NAME, SqliteIndex

KEY = "c" * 64
FIRST_KEY = sha256(b"0").hexdigest()
"""Of those that a Claimer claims."""

CLAIM = """
import json, sys
from hashlib import sha256
from pathlib import Path
from ops_orchestrator.runs.store.sqlite_index import SqliteIndex

folder, own = Path(sys.argv[1]), sys.argv[2]
index = SqliteIndex.open(folder)
sys.stdin.readline()
print(json.dumps([index.claim(sha256(str(number).encode()).hexdigest(), own) for number in range(300)]), flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FolderStore]:
    with closing(FolderStore.open(tmp_path)) as store:
        yield store


def keep_run(store: FolderStore, run_id: str = RUN_ID, key: str | None = KEY) -> None:
    """Keep a run that is over and has a key."""
    made = record(1).model_copy(update={"run_id": run_id, "idempotency_key": key})
    keep_record(store, made)


class Claimer:
    """A process that claims 300 keys for a run when it is let go, and then makes no run until it is let go again."""

    def __init__(self, folder: Path, run_id: str) -> None:
        self.run_id = run_id
        self.process = subprocess.Popen(
            [sys.executable, "-c", CLAIM, folder, run_id], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def let_go(self) -> None:
        """Let it do what it does next."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def holders(self) -> list[str | None]:
        """Who holds each key, as it learned."""
        assert self.process.stdout is not None
        return list(json.loads(self.process.stdout.readline()))


@contextmanager
def claimers(folder: Path, count: int) -> Iterator[list[Claimer]]:
    """Processes that claim the same keys, killed at the end."""
    with ExitStack() as stack:
        found = [Claimer(folder, f"run_2026-01-09T12-34-56Z_00000{number}") for number in range(count)]
        for claimer in found:
            stack.enter_context(claimer.process)
            stack.callback(claimer.process.kill)
        yield found


def claimed_by_processes(folder: Path, spoil: list[Path]) -> list[list[str | None]]:
    """Who holds each of 300 keys, as three processes learn that claim them at once, while the files `spoil` are damaged."""
    with claimers(folder, 3) as found:
        for claimer in found:
            claimer.let_go()
        for path in spoil:
            path.write_bytes(b"\xff" * 5000)
            with closing(SqliteIndex.open(folder)) as index:
                index.run_ids()
        return [claimer.holders() for claimer in found]


@pytest.mark.parametrize("is_spoilt", [False, True], ids=["whole", "damaged"])
def test_each_key_that_several_processes_claim_at_once_belongs_to_one_run(store: FolderStore, *, is_spoilt: bool) -> None:
    learned = claimed_by_processes(store.folder, [store.folder / FILE_NAME] * 3 * is_spoilt)
    assert all(holders.count(None) == len(holders) - 1 for holders in zip(*learned, strict=True))


def test_key_stays_with_its_run_over_a_restart(store: FolderStore, tmp_path: Path) -> None:
    keep_run(store)
    store.close()
    with closing(FolderStore.open(tmp_path)) as again:
        assert again.claim(KEY, GOOD) == RUN_ID


@pytest.mark.parametrize("lost", [FILE_NAME, FOLDER_NAME], ids=["index", "keys"])
def test_key_is_known_again_from_the_run_after_it_was_lost(store: FolderStore, tmp_path: Path, lost: str) -> None:
    keep_run(store)
    store.close()
    subprocess.run(["rm", "-r", tmp_path / lost], check=True)
    with closing(FolderStore.open(tmp_path)) as again:
        assert again.claim(KEY, GOOD) == RUN_ID


def test_key_is_known_again_after_all_keys_were_lost_while_the_store_is_open(store: FolderStore, tmp_path: Path) -> None:
    keep_run(store)
    subprocess.run(["rm", "-r", tmp_path / FOLDER_NAME], check=True)
    assert store.claim(KEY, GOOD) == RUN_ID


def test_key_of_a_run_that_was_copied_in_is_known(store: FolderStore, tmp_path: Path) -> None:
    keep_run(store)
    store.close()
    (tmp_path / "elsewhere").mkdir()
    subprocess.run(["cp", "-r", tmp_path / RUN_ID, tmp_path / "elsewhere"], check=True)
    with closing(FolderStore.open(tmp_path / "elsewhere")) as copy:
        assert copy.claim(KEY, GOOD) == RUN_ID


def test_of_two_runs_with_the_same_key_one_has_it(store: FolderStore, tmp_path: Path) -> None:
    keep_run(store)
    keep_run(store, GOOD)
    assert store.claim(KEY, GOOD) == RUN_ID
    store.close()
    (tmp_path / FILE_NAME).unlink()
    with closing(FolderStore.open(tmp_path)) as again:
        assert again.claim(KEY, GOOD) == RUN_ID


def test_key_is_free_as_soon_as_the_process_that_was_to_make_its_run_is_dead(store: FolderStore) -> None:
    with claimers(store.folder, 1) as (claimer,):
        claimer.let_go()
        assert claimer.holders()[0] == claimer.run_id
        assert store.claim(FIRST_KEY, GOOD) is None
    assert store.claim(FIRST_KEY, GOOD) == GOOD


def test_recovery_frees_the_keys_of_the_dead_alone(store: FolderStore, tmp_path: Path) -> None:
    assert store.claim(KEY, RUN_ID) == RUN_ID
    (tmp_path / FOLDER_NAME / ("d" * 64)).symlink_to(GOOD)
    (tmp_path / FOLDER_NAME / f"{'d' * 64}.making").touch()
    store.recover()
    assert {path.name for path in (tmp_path / FOLDER_NAME).iterdir()} == {"complete", KEY, f"{KEY}.making"}
    assert store.claim(KEY, GOOD) is None


def test_key_is_free_when_it_was_released(store: FolderStore) -> None:
    assert store.claim(KEY, RUN_ID) == RUN_ID
    store.release(KEY, RUN_ID)
    assert store.claim(KEY, GOOD) == GOOD


async def test_key_has_its_run_once_that_is_made_and_nothing_else_is_left(store: FolderStore, tmp_path: Path) -> None:
    assert store.claim(KEY, RUN_ID) == RUN_ID
    made = record(1).model_copy(update={"run_id": RUN_ID, "idempotency_key": KEY})
    await (await hold_record(store, made)).abandon()
    assert store.claim(KEY, GOOD) == RUN_ID
    assert {path.name for path in (tmp_path / FOLDER_NAME).iterdir()} == {"complete", KEY}


def test_key_of_a_run_that_was_deleted_by_hand_is_free(store: FolderStore, tmp_path: Path) -> None:
    keep_run(store)
    subprocess.run(["rm", "-r", tmp_path / RUN_ID], check=True)
    assert store.claim(KEY, GOOD) == GOOD


@pytest.mark.parametrize("target", ["../../etc/passwd", "somewhere", "/"])
def test_link_that_names_no_run_is_replaced(store: FolderStore, tmp_path: Path, target: str) -> None:
    (tmp_path / FOLDER_NAME / KEY).symlink_to(target)
    assert store.claim(KEY, RUN_ID) == RUN_ID


def test_key_that_cannot_be_kept_is_a_store_error(store: FolderStore, tmp_path: Path) -> None:
    (tmp_path / FOLDER_NAME / KEY).mkdir()
    with pytest.raises(StoreError, match="the key of a run cannot be kept in"):
        store.claim(KEY, RUN_ID)


def test_key_is_a_store_error_where_nothing_can_be_written(store: FolderStore, tmp_path: Path) -> None:
    subprocess.run(["rm", "-r", tmp_path / FOLDER_NAME], check=True)
    (tmp_path / FOLDER_NAME).touch()
    with pytest.raises(StoreError, match="the key of a run cannot be kept in"):
        store.claim(KEY, RUN_ID)


def test_keys_are_not_kept_where_a_link_leads(store: FolderStore, tmp_path: Path) -> None:
    store.close()
    (tmp_path / FOLDER_NAME).rename(tmp_path / "elsewhere")
    (tmp_path / FOLDER_NAME).symlink_to("elsewhere")
    with closing(FolderStore.open(tmp_path)) as again:
        assert again.claim(KEY, RUN_ID) == RUN_ID
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["complete"]


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir])
def test_key_that_is_no_link_is_not_given_to_another_run_and_is_found_again_when_the_keys_are_deleted(
    store: FolderStore, make: Callable[[Path], None]
) -> None:
    keep_run(store)
    keys = store.folder / FOLDER_NAME
    assert store.claim(KEY, GOOD) == RUN_ID
    (keys / KEY).unlink()
    make(keys / KEY)
    with pytest.raises(StoreError, match=f"{KEY} is not a link; delete {keys}, which is then made again from the runs"):
        store.claim(KEY, GOOD)
    shutil.rmtree(keys)
    assert store.claim(KEY, GOOD) == RUN_ID
