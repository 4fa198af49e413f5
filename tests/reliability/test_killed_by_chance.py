"""A service that is killed at any moment, also while it recovers from the kill before, with 1, 8 and 32 callers."""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Timer

import pytest
from reliability.page import write_row
from reliability.service_home import ServiceHome, module_server
from reliability.workload import keep_asking

CALLERS = (1, 8, 32)
LONGEST_S = 1.5
"""A service is killed within this time after it began to serve, or to start: some are killed while they recover."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]


@pytest.fixture(scope="module")
def modules() -> Iterator[str]:
    with module_server() as address:
        yield address


def kill_while_it_serves(home: ServiceHome, callers: int, chance: random.Random) -> None:
    with home.serving() as (process, url), ThreadPoolExecutor(callers) as pool:
        assert url is not None
        home.examine(url)
        home.ask_again(url)
        asking = [pool.submit(keep_asking, home, url, chance.random()) for _ in range(callers)]
        Timer(chance.uniform(0.05, LONGEST_S), process.kill).start()
        for caller in asking:
            caller.result()


def kill_while_it_starts(home: ServiceHome, chance: random.Random) -> None:
    with home.starting() as process:
        Timer(chance.uniform(0.3, LONGEST_S), process.kill).start()
        process.wait()


@pytest.mark.parametrize("callers", CALLERS)
@pytest.mark.parametrize("kills", [pytest.param(2, id="some"), pytest.param(67, marks=pytest.mark.reliability, id="many")])
def test_kill_at_any_moment_breaks_no_promise(tmp_path: Path, modules: str, callers: int, kills: int) -> None:
    chance = random.Random(f"{callers} {kills}")  # noqa: S311  # no secret
    home = ServiceHome(tmp_path / "home", modules)
    for number in range(1, kills + 1):
        if number % 4:
            kill_while_it_serves(home, callers, chance)
        else:
            kill_while_it_starts(home, chance)
        home.findings.ordeals += 1
    with home.serving() as (_, url):
        assert url is not None
        home.check_that_it_serves(url)
        home.examine(url, again=True)
    home.count()
    if kills > 2:
        write_row(f"killed at any moment, a quarter while it starts, with {callers} callers", home.findings)
    assert home.findings.broken == {}
