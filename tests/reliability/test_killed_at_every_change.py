"""A service that is killed at each change it makes to files, while a run goes on and while it recovers, and starts again."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import httpx2
import pytest
from local_service import HTTP
from reliability.held_calls import MACHINE_IS_KNOWN, HeldCalls
from reliability.log_fold import ENDED
from reliability.page import write_row
from reliability.service_home import STEPS, ServiceHome, module_server

Run = Callable[[ServiceHome, str, str], None]
EVERY = pytest.param(1, marks=pytest.mark.reliability, id="every")
LEFT = {"in a step": "2-inline/response.json", "at the end": "manifest-sha256.txt"}
"""By when a service was killed whose runs are recovered: the file that it was about to change."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(7200),
    pytest.mark.skipif(not MACHINE_IS_KNOWN, reason="the system calls of this machine are not known"),
]


@pytest.fixture(scope="module")
def modules() -> Iterator[str]:
    with module_server() as address:
        yield address


def completes(home: ServiceHome, url: str, prefer: str) -> None:
    home.follow(url, home.ask(url, *STEPS, prefer=prefer, key=f"key {home.findings.ordeals}"))


def fails(home: ServiceHome, url: str, prefer: str) -> None:
    home.follow(url, home.ask(url, "inline", "refusing", prefer=prefer))


def is_stopped(home: ServiceHome, url: str, _: str) -> None:
    home.ask(url, "inline", "slow", prefer="respond-async")


def is_cancelled(home: ServiceHome, url: str, _: str) -> None:
    home.order(url, home.ask(url, "inline", "slow", prefer="respond-async"), "cancel")


def is_resumed(home: ServiceHome, url: str, _: str) -> None:
    cancelled = home.order(url, home.ask(url, "inline", "slow", prefer="respond-async"), "cancel")
    home.order(url, home.order(url, cancelled, "resume", "respond-async"), "cancel")


def fails_again(home: ServiceHome, url: str, prefer: str) -> None:
    home.follow(url, home.order(url, home.ask(url, "inline", "refusing"), "resume", prefer))


RUNS = (completes, fails, is_stopped, is_cancelled, is_resumed, fails_again)


def killed_in_a_run(home: ServiceHome, have_run: Run, change: int, *, torn: bool) -> bool:
    """Start, look at what the kill before left, and be killed at `change` of a run and of the stop after it; False if not."""
    with HeldCalls(home.runs) as calls, home.serving(*calls.words) as (process, url):
        assert url is not None
        home.examine(url)
        home.ask_again(url)
        calls.kill_at(change, torn=torn)
        # Some callers wait for their answer, others have a 202 at once: the one and the other must be true afterwards.
        have_run(home, url, "respond-async" if change % 2 else "")
        process.terminate()
        process.wait()
        home.findings.ordeals += calls.killed
        return calls.killed


@pytest.mark.parametrize("torn", [False, True], ids=["before", "torn"])
@pytest.mark.parametrize("have_run", RUNS)
@pytest.mark.parametrize("stride", [pytest.param(41, id="some"), EVERY])
def test_kill_at_a_change_during_a_run_breaks_no_promise(
    tmp_path: Path, modules: str, stride: int, have_run: Run, *, torn: bool
) -> None:
    home = ServiceHome(tmp_path / "home", modules)
    for change in count(1, stride):
        if not killed_in_a_run(home, have_run, change, torn=torn):
            break
    with home.serving() as (_, url):
        assert url is not None
        home.check_that_it_serves(url)
        home.examine(url, again=True)
    home.count()
    if stride == 1:
        when = "half way through each write" if torn else "before each change"
        write_row(f"killed {when} of a run that {have_run.__name__.replace('_', ' ')}", home.findings)
    assert home.findings.broken == {}


def test_kill_at_the_first_changes_of_a_run_leaves_nothing_over(tmp_path: Path, modules: str) -> None:
    home = ServiceHome(tmp_path / "home", modules)
    for change in range(1, 9):
        assert killed_in_a_run(home, completes, change, torn=False)
    with home.serving() as (_, url):
        assert url is not None
        home.examine(url)
    assert home.findings.broken == {}


def wait_until_all_go_on(home: ServiceHome, url: str | None) -> None:
    """Wait until the second step of each run is under way, unless the run is over or the service dead."""
    with suppress(httpx2.TransportError):
        while url and any(is_before_its_second_step(HTTP.get(f"{url}/runs/{run_id}").json()) for run_id in home.acknowledged):
            pass


def is_before_its_second_step(run: dict[str, Any]) -> bool:
    return run["status"] not in ENDED and run["steps"][1]["status"] != "running"


@pytest.mark.parametrize("stride", [pytest.param(13, id="some"), EVERY])
def test_kill_while_runs_are_taken_over_forgets_none(tmp_path: Path, modules: str, stride: int) -> None:
    home = ServiceHome(tmp_path / "home", modules)
    with home.serving() as (process, url):
        assert url is not None
        for _ in range(3):
            home.ask(url, "inline", "slow", prefer="respond-async")
        process.kill()
        process.wait()
    for change in count(1, stride):
        with HeldCalls(home.runs) as calls:
            calls.kill_at(change)
            with home.serving(*calls.words, OPS_RESUME_INTERRUPTED="true") as (process, url):
                wait_until_all_go_on(home, url)
                process.kill()
                process.wait()
        home.findings.ordeals += calls.killed
        if not calls.killed:
            break
    HTTP.put(f"{modules}/go")
    with home.serving(OPS_RESUME_INTERRUPTED="true") as (_, url):
        assert url is not None
        while home.under_way(url):
            pass
        home.examine(url)
        ends = [run["status"] for run in HTTP.get(f"{url}/runs").json()["runs"]]
    HTTP.delete(f"{modules}/go")
    home.count()
    if stride == 1:
        write_row("killed before each change of a start with OPS_RESUME_INTERRUPTED", home.findings)
    assert (ends, home.findings.broken) == (["completed"] * 3, {})


@pytest.mark.parametrize("left_by_a_kill", LEFT)
@pytest.mark.parametrize("stride", [pytest.param(29, id="some"), EVERY])
def test_kill_at_a_change_during_recovery_breaks_no_promise(
    tmp_path: Path, modules: str, stride: int, left_by_a_kill: str
) -> None:
    left = ServiceHome(tmp_path / "left", modules)
    with HeldCalls(left.runs) as calls, left.serving(*calls.words) as (process, url):
        assert url is not None
        calls.kill_when_changing(LEFT[left_by_a_kill])
        left.ask(url, *STEPS, prefer="respond-async")
        process.wait()
    for change in count(1, stride):
        home = left.as_of_now(shutil.copytree(left.folder, tmp_path / f"home-{change}"))
        with HeldCalls(home.runs) as calls:
            calls.kill_at(change)
            with home.serving(*calls.words) as (process, _):
                process.terminate()
                process.wait()
        with home.serving() as (_, url):
            assert url is not None
            home.examine(url)
        home.count()
        if not calls.killed:
            break
        home.findings.ordeals += 1
    if stride == 1:
        write_row(f"killed before each change of a recovery, after a kill {left_by_a_kill}", home.findings)
    assert home.findings.broken == {}
