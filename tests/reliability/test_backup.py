"""A store that is copied while runs go on: a service that starts on the copy has every run whole, or as after a crash."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from local_service import HTTP, started
from reliability.folder_agreement import disagreements
from reliability.log_fold import ENDED
from reliability.service_home import ServiceHome, module_server
from reliability.workload import keep_asking

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]
CALLERS = 4
TIMES = 5


@pytest.fixture(scope="module")
def modules() -> Iterator[str]:
    with module_server() as address:
        yield address


def back_up(home: ServiceHome, target: Path) -> dict[str, int]:
    with started(home.folder, "ops", "backup", str(target), "--json") as process:
        out, err = process.communicate()
    assert (process.returncode, err) == (0, ""), out
    document: dict[str, int] = json.loads(out)
    return document


def test_copies_that_are_made_while_runs_go_on_are_whole(tmp_path: Path, modules: str) -> None:
    home = ServiceHome(tmp_path / "home", modules)
    copies = [tmp_path / "first", *[tmp_path / "later"] * TIMES]
    with home.serving() as (_, url), ThreadPoolExecutor(CALLERS) as pool:
        assert url is not None
        left = home.ask(url, "inline", "slow", prefer="respond-async")
        callers = [pool.submit(keep_asking, home, url, caller / CALLERS, 40) for caller in range(CALLERS)]
        for copy in copies:
            back_up(home, copy / "runs")
        acknowledged = set(home.acknowledged)
        for caller in callers:
            caller.result()
        back_up(home, tmp_path / "later" / "runs")
        assert back_up(home, tmp_path / "later" / "runs")["copied"] <= 1
    assert left is not None
    for copy in {*copies}:
        restored = ServiceHome(copy, modules)
        with restored.serving() as (_, url):
            assert url is not None
            while restored.under_way(url):
                Event().wait(0.05)
            runs = {path.name for path in restored.runs.iterdir() if path.name.startswith("run_")}
            found = {run_id: disagreements(restored.runs / run_id) for run_id in sorted(runs)}
            assert {run_id: what for run_id, what in found.items() if what} == {}
            statuses = {run_id: HTTP.get(f"{url}/runs/{run_id}").json()["status"] for run_id in runs}
            assert {status for status in statuses.values() if status not in ENDED} == set()
            assert statuses[left.run_id] == "interrupted"
            HTTP.put(f"{modules}/go")
            resumed = HTTP.post(f"{url}/runs/{left.run_id}/resume")
            HTTP.delete(f"{modules}/go")
            assert resumed.json()["status"] == "completed"
            restored.check_that_it_serves(url)
        assert restored.findings.broken == {}
        if copy.name == "later":
            assert acknowledged <= runs


def test_run_that_is_gone_is_gone_from_the_copy_and_a_copy_inside_the_store_is_refused(tmp_path: Path, modules: str) -> None:
    home = ServiceHome(tmp_path / "home", modules)
    with home.serving() as (_, url):
        assert url is not None
        answer, other = home.ask(url, "inline"), home.ask(url, "inline")
        assert answer is not None
        assert other is not None
    back_up(home, tmp_path / "copy")
    (home.runs / answer.run_id).rename(tmp_path / "elsewhere")
    assert back_up(home, tmp_path / "copy")["gone"] == 1
    assert not (tmp_path / "copy" / answer.run_id).exists()
    assert (tmp_path / "copy" / other.run_id).exists()
    with started(home.folder, "ops", "backup", "runs/copy") as process:
        _, err = process.communicate()
    assert (process.returncode, "is in the store" in err) == (2, True)


def test_store_without_any_run_does_not_empty_the_copy(tmp_path: Path, modules: str) -> None:
    home = ServiceHome(tmp_path / "home", modules)
    with home.serving() as (_, url):
        assert url is not None
        answer = home.ask(url, "inline")
        assert answer is not None
    back_up(home, tmp_path / "copy")
    # As a disk leaves the folder at which it was mounted.
    home.runs.rename(tmp_path / "elsewhere")
    home.runs.mkdir()
    with started(home.folder, "ops", "backup", str(tmp_path / "copy")) as process:
        _, err = process.communicate()
    assert (process.returncode, "see that its disk is mounted" in err) == (2, True)
    assert (tmp_path / "copy" / answer.run_id / "run.json").exists()
