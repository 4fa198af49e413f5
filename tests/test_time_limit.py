"""The limit that ends hung tests, tried on tests that hang in each way that a test of ours can."""

import subprocess
import sys
from pathlib import Path

import pytest
from local_service import ROOT

HUNG = """
import asyncio
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

pytestmark = pytest.mark.timeout(0.3)
NEVER = threading.Event()


@pytest.fixture
def hung_before():
    NEVER.wait()


@pytest.fixture
def hung_after():
    yield
    NEVER.wait()


def test_in_setup(hung_before): ...


def test_in_teardown(hung_after): ...


def test_in_a_lock():
    NEVER.wait()


def test_while_it_waits_for_a_process():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE):
        NEVER.wait()


async def test_in_an_event_loop():
    await asyncio.Event().wait()


async def test_in_a_thread_that_an_event_loop_waits_for():
    await asyncio.gather(asyncio.to_thread(NEVER.wait, 1), asyncio.Event().wait())


def test_although_the_first_failure_is_swallowed():
    try:
        NEVER.wait()
    except BaseException:
        NEVER.wait()


def test_that_does_not_hang(): ...
"""


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["0", "2"])
def test_hung_test_fails_alone(tmp_path: Path, workers: str) -> None:
    (tmp_path / "test_hung.py").write_text(HUNG)
    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    words = ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path), "-n", workers, "-q", "-p", "no:cacheprovider"]
    ran = subprocess.run([sys.executable, "-m", "pytest", *words, str(tmp_path)], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout.splitlines()[-1].partition(" in ")[0]) == (1, "5 failed, 2 passed, 2 errors"), ran.stdout
