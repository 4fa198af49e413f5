"""A process that is killed at exactly one of its changes to files: what it did before is there, and nothing after."""

import signal
from pathlib import Path
from subprocess import run

import pytest
from local_service import command
from reliability.held_calls import MACHINE_IS_KNOWN, HeldCalls

pytestmark = pytest.mark.skipif(not MACHINE_IS_KNOWN, reason="the system calls of this machine are not known")
WRITES = """
import os, threading
os.mkdir("made")
log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
for word in (b"first\\n", b"second\\n"):
    thread = threading.Thread(target=os.write, args=(log, word))
    thread.start()
    thread.join()
os.rename("log", "made/log")
"""


def run_held(calls: HeldCalls, folder: Path) -> int:
    """Have all the changes made in `folder`; returns how the process ended."""
    held = (command(calls.words[0]), *calls.words[1:])
    return run([*held, command("python"), "-c", WRITES], cwd=folder, check=False).returncode


def test_changes_of_all_threads_are_seen_in_order(tmp_path: Path) -> None:
    with HeldCalls(tmp_path) as calls:
        assert run_held(calls, tmp_path) == 0
    assert [change.name for change in calls.seen] == ["mkdir", "openat", "write", "write", "rename"]
    assert calls.seen[-1].paths == (tmp_path / "log", tmp_path / "made/log")


@pytest.mark.parametrize(("number", "content"), [(2, None), (3, b""), (4, b"first\n"), (5, b"first\nsecond\n")])
def test_process_is_killed_before_the_change(tmp_path: Path, number: int, content: bytes | None) -> None:
    with HeldCalls(tmp_path) as calls:
        calls.kill_at(number)
        assert run_held(calls, tmp_path) == -signal.SIGKILL
    assert calls.killed
    assert ((tmp_path / "log").read_bytes() if (tmp_path / "log").exists() else None) == content


def test_process_is_killed_half_way_through_a_write(tmp_path: Path) -> None:
    with HeldCalls(tmp_path) as calls:
        calls.kill_at(2, torn=True)
        assert run_held(calls, tmp_path) == -signal.SIGKILL
    assert (tmp_path / "log").read_bytes() == b"first\nsec"


def test_changes_elsewhere_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    with HeldCalls(tmp_path / "here") as calls:
        calls.kill_at(1)
        assert run_held(calls, tmp_path / "elsewhere") == 0
    assert (calls.seen, calls.killed) == ([], False)
