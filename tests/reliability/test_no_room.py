"""A service whose disk is full, or that may open no more files, while runs go on; then there is room, without a restart."""

import json
import random
import resource
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from threading import Event
from time import monotonic

import pytest
from local_service import HTTP
from reliability.disk_image import full_disk, small_disk
from reliability.log_fold import ENDED
from reliability.page import write_row
from reliability.service_home import ServiceHome, module_server
from reliability.workload import keep_asking

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]
CALLERS = 8
ROOM = 12 * 1024 * 1024
"""Bytes for each time that the disk gets full: more than the runs need that are made until then."""
FREE = "1000000"
# Ten times what the service takes on a busy machine to try the last record of a run again.
PATIENCE_S = 60.0
TIMES = [pytest.param(2, id="some"), pytest.param(50, marks=pytest.mark.reliability, id="many")]


@pytest.fixture(scope="module")
def modules() -> Iterator[str]:
    with module_server() as address:
        yield address


@contextmanager
def no_descriptors(process: int) -> Iterator[None]:
    """The process can open nothing more than it has open now."""
    before = resource.prlimit(process, resource.RLIMIT_NOFILE)
    used = [*Path(f"/proc/{process}/fd").iterdir()]
    resource.prlimit(process, resource.RLIMIT_NOFILE, (len(used), before[1]))
    yield
    resource.prlimit(process, resource.RLIMIT_NOFILE, before)


def squeeze(home: ServiceHome, url: str, times: int, take_room: Callable[[], AbstractContextManager[None]]) -> None:
    """Take the room away and give it back at random moments, while runs go on."""
    chance, pause = random.Random(times), Event()  # noqa: S311  # no secret
    for number in range(times):
        with ThreadPoolExecutor(CALLERS) as pool:
            callers = [pool.submit(keep_asking, home, url, number + caller / 8, 8) for caller in range(CALLERS)]
            pause.wait(chance.uniform(0.01, 0.3))
            with take_room():
                pause.wait(chance.uniform(0.01, 0.5))
            for caller in callers:
                caller.result()
        home.findings.ordeals += 1


def wait_until_all_runs_are_over(home: ServiceHome, url: str) -> None:
    """Wait as long as one is not, within reason; what is not over then counts as unserved."""
    until, pause = monotonic() + PATIENCE_S, Event()
    while home.under_way(url) and monotonic() < until:
        pause.wait(0.1)


@pytest.mark.parametrize("times", TIMES)
def test_disk_that_is_full_for_a_while_breaks_no_promise(tmp_path: Path, modules: str, times: int) -> None:
    with small_disk(tmp_path / "disk", ROOM * times) as folder:
        home = ServiceHome(folder / "home", modules)
        with home.serving(OPS_MIN_FREE_BYTES=FREE) as (_, url):
            assert url is not None
            squeeze(home, url, times, lambda: full_disk(folder))
            wait_until_all_runs_are_over(home, url)
            home.check_that_it_serves(url)
            home.examine(url)
        home.count()
    if times > 2:
        write_row(f"disk full for a while, and no restart, with {CALLERS} callers", home.findings)
    assert home.findings.broken == {}


@pytest.mark.parametrize(("resume", "status"), [("false", "interrupted"), ("true", "completed")])
def test_disk_that_is_full_at_the_start_keeps_no_run_from_being_taken_over_later(
    tmp_path: Path, modules: str, resume: str, status: str
) -> None:
    with small_disk(tmp_path / "disk", ROOM) as folder:
        home = ServiceHome(folder / "home", modules)
        with home.serving(OPS_RESUME_INTERRUPTED=resume, OPS_MIN_FREE_BYTES=FREE) as (process, url):
            assert url is not None
            left = home.ask(url, "inline", "slow", prefer="respond-async")
            assert left is not None
            process.kill()
            process.wait()
        HTTP.put(f"{modules}/go")
        with ExitStack() as full:
            full.enter_context(full_disk(folder))
            with home.serving(OPS_RESUME_INTERRUPTED=resume, OPS_MIN_FREE_BYTES=FREE) as (_, url):
                assert url is not None
                assert home.under_way(url) == [left.run_id]
                full.close()
                wait_until_all_runs_are_over(home, url)
                assert HTTP.get(f"{url}/runs/{left.run_id}").json()["status"] == status
                home.check_that_it_serves(url)
                home.examine(url)
    HTTP.delete(f"{modules}/go")
    assert home.findings.broken == {}


@pytest.mark.parametrize("times", TIMES)
def test_process_that_can_open_nothing_for_a_while_breaks_no_promise(tmp_path: Path, modules: str, times: int) -> None:
    home = ServiceHome(tmp_path / "home", modules)
    with home.serving() as (process, url):
        assert url is not None
        squeeze(home, url, times, lambda: no_descriptors(process.pid))
        wait_until_all_runs_are_over(home, url)
        home.check_that_it_serves(url)
        home.examine(url)
    home.count()
    if times > 2:
        write_row(f"no file descriptors for a while, and no restart, with {CALLERS} callers", home.findings)
    assert home.findings.broken == {}


@pytest.mark.parametrize("free", [FREE, "0"])
def test_run_ends_on_a_full_disk_when_there_is_a_reserve(tmp_path: Path, modules: str, free: str) -> None:
    with small_disk(tmp_path / "disk", ROOM) as folder:
        home = ServiceHome(folder / "home", modules)
        with home.serving(OPS_MIN_FREE_BYTES=free) as (_, url):
            assert url is not None
            HTTP.delete(f"{modules}/go")
            under_way = home.ask(url, "slow", "inline", prefer="respond-async")
            assert under_way is not None
            with full_disk(folder):
                HTTP.put(f"{modules}/go")
                home.follow(url, under_way)
                record = json.loads((home.runs / under_way.run_id / "run.json").read_bytes())
                refused = HTTP.post(f"{url}/plan_and_execute", json={"scenario_id": "x", "modules": ["inline"]})
                ready = HTTP.get(f"{url}/ready")
            wait_until_all_runs_are_over(home, url)
            home.check_that_it_serves(url)
            assert (home.runs / ".reserve").exists() == (free == FREE)
            home.examine(url)
    HTTP.delete(f"{modules}/go")
    assert (record["status"] in ENDED, refused.status_code, ready.status_code) == (
        free == FREE,
        507 if free == FREE else 503,
        503,
    )
    assert home.findings.broken == {}
