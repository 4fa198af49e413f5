"""A machine that loses its power when a caller has an answer: the disk is copied at that moment, and a new service uses it.

The disk's own cache is not simulated: what was flushed counts as kept.
"""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import Popen

import pytest
from reliability.disk_image import DiskImage, mount_point, mounted_again, new_disk
from reliability.page import write_row
from reliability.service_home import STEPS, Answer, ServiceHome, module_server
from reliability.workload import keep_asking

Ask = Callable[[ServiceHome, str], Answer | None]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]


def completed(home: ServiceHome, url: str) -> Answer | None:
    return home.ask(url, *STEPS)


def accepted(home: ServiceHome, url: str) -> Answer | None:
    # It waits for its module, and flushes nothing more.
    return home.ask(url, "slow", prefer="respond-async")


def failed(home: ServiceHome, url: str) -> Answer | None:
    return home.ask(url, "inline", "refusing")


def cancelled(home: ServiceHome, url: str) -> Answer | None:
    return home.order(url, accepted(home, url), "cancel")


def resumed(home: ServiceHome, url: str) -> Answer | None:
    return home.order(url, cancelled(home, url), "resume", "respond-async")


ANSWERS: dict[Ask, int] = {completed: 200, accepted: 202, failed: 502, cancelled: 200, resumed: 202}


TRIALS = [
    pytest.param("syncfs", 1, id="once"),
    pytest.param("syncfs", 20, marks=pytest.mark.reliability, id="often-syncfs"),
    pytest.param("fsync", 20, marks=pytest.mark.reliability, id="often-fsync"),
]


@pytest.fixture(scope="module")
def modules() -> Iterator[str]:
    with module_server() as address:
        yield address


def stop(process: Popen[str]) -> None:
    """Stop the service, and wait until each of its threads has stopped.

    One that is flushing goes on until that is done, and a disk that is copied meanwhile is not what it ever was.
    """
    process.send_signal(signal.SIGSTOP)
    tasks = Path(f"/proc/{process.pid}/task")
    while not all(map(is_stopped, tasks.iterdir())):
        pass


def is_stopped(task: Path) -> bool:
    try:
        return (task / "stat").read_text().rpartition(")")[2].split()[0] == "T"
    except FileNotFoundError:
        return True  # it ended


def lose_power(
    home: ServiceHome, disk: DiskImage, copied: Path, *, process: Popen[str], url: str, answered: Ask
) -> ServiceHome:
    """Copy the disk at the moment at which a run is `answered`, and tell what callers knew then."""
    answer = answered(home, url)
    stop(process)
    left = home.as_of_now(mount_point(copied) / "home")
    disk.copy(copied)
    process.send_signal(signal.SIGCONT)
    assert answer is not None
    assert answer.status == ANSWERS[answered]
    return left


@pytest.mark.parametrize("answered", ANSWERS)
@pytest.mark.parametrize(("sync", "times"), TRIALS)
def test_power_loss_at_an_answer_loses_nothing_acknowledged(
    tmp_path: Path, modules: str, answered: Ask, sync: str, times: int
) -> None:
    with new_disk(tmp_path / "disk") as disk:
        home = ServiceHome(disk.folder / "home", modules)
        os.sync()
        for number in range(times):
            copied = tmp_path / f"disk-{number}"
            with home.serving(OPS_SYNC=sync) as (process, url), ThreadPoolExecutor(8) as pool:
                assert url is not None
                # Others, whose runs go on or end at the same moment, share what is flushed.
                others = [pool.submit(keep_asking, home, url, number + caller / 8, number % 4) for caller in range(8)]
                left = lose_power(home, disk, copied, process=process, url=url, answered=answered)
                for other in others:
                    other.result()
            with mounted_again(copied), left.serving() as (_, again):
                assert again is not None
                left.examine(again)
                left.check_that_it_serves(again)
                left.count()
            home.findings.ordeals += 1
    if times > 1:
        what = f"power lost when a run was {answered.__name__}, a {ANSWERS[answered]}, with 8 other callers"
        write_row(f"{what}, OPS_SYNC={sync}", home.findings)
    assert home.findings.broken == {}
