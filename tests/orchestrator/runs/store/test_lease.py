"""What every Lease does."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ops_orchestrator.runs.store.lease import FolderLease
from ops_orchestrator.runs.store.protocols import Lease

Take = Callable[[], Lease | None]

_HOLD = """
import sys
from pathlib import Path
from ops_orchestrator.runs.store.lease import FolderLease

lease = FolderLease.take(Path(sys.argv[1]))
print("held" if lease else "refused", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "logs.jsonl"


@pytest.fixture
def first(log: Path) -> Lease:
    return FolderLease.create(log)


@pytest.fixture
def take(log: Path) -> Take:
    return lambda: FolderLease.take(log)


def test_lease_has_one_holder(first: Lease, take: Take) -> None:
    assert take() is None
    first.release()


def test_released_lease_can_be_taken(first: Lease, take: Take) -> None:
    first.release()
    first.release()
    second = take()
    assert second is not None
    assert take() is None
    second.release()


def test_lease_of_a_run_that_is_not_there_is_an_error(take: Take) -> None:
    with pytest.raises(FileNotFoundError):
        take()


def test_lease_ends_with_the_process_that_holds_it(first: Lease, take: Take, log: Path) -> None:
    first.release()
    command = [sys.executable, "-c", _HOLD, str(log)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert take() is None
        holder.kill()
        holder.wait()
    lease = take()
    assert lease is not None
    lease.release()
