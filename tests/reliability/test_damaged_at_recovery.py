"""Folders that a dead service left and that were damaged since: none stops the service or hides another run."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from local_service import HTTP
from reliability.damage import DAMAGE, OUTSIDE
from reliability.folder_agreement import disagreements
from reliability.log_fold import ENDED
from reliability.service_home import STEPS, ServiceHome, module_server

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Recovered:
    """What a service says of each run, by damage, after it started among them; `new` and `old` are healthy runs."""

    home: ServiceHome
    folders: dict[str, Path]
    listed: dict[str, dict[str, str]]
    records: dict[str, int]
    new: int
    old: int


@pytest.fixture(scope="module")
def recovered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recovered]:
    with module_server() as modules:
        home = ServiceHome(tmp_path_factory.mktemp("damaged") / "home", modules)
        (home.folder / "outside").write_bytes(OUTSIDE)
        with home.serving() as (process, url):
            assert url is not None
            ended = home.ask(url, *STEPS)
            assert ended is not None
            old = next(iter(home.acknowledged))
            under_way = [home.ask(url, "inline", "slow", prefer="respond-async") for _ in DAMAGE]
            assert None not in under_way
            folders = dict(zip(DAMAGE, (home.runs / run_id for run_id in home.acknowledged if run_id != old), strict=True))
            wait_for_the_second_step(list(folders.values()))
            process.kill()
        for name, folder in folders.items():
            DAMAGE[name](folder)
        with home.serving() as (_, url):
            assert url is not None
            listed = {run["run_id"]: run for run in HTTP.get(f"{url}/runs", params={"limit": 500}).json()["runs"]}
            records = {name: HTTP.get(f"{url}/runs/{folder.name}").status_code for name, folder in folders.items()}
            new = home.ask(url, *STEPS)
            assert new is not None
            yield Recovered(home, folders, listed, records, new.status, HTTP.get(f"{url}/runs/{old}").status_code)


def wait_for_the_second_step(folders: list[Path]) -> None:
    """Wait until the log of each run says that its second step began."""
    while not all(folder.joinpath("logs.jsonl").read_bytes().count(b'"step.started"') == 2 for folder in folders):
        pass


def test_service_starts_and_serves(recovered: Recovered) -> None:
    assert (recovered.new, recovered.old) == (200, 200)


@pytest.mark.parametrize("damage", [name for name in DAMAGE if name != "a file instead of a folder"])
def test_damaged_run_is_over_and_agrees_with_itself_or_is_listed_with_the_reason(recovered: Recovered, damage: str) -> None:
    folder = recovered.folders[damage]
    run = recovered.listed[folder.name]
    if run["status"] == "damaged":
        assert run["reason"]
    else:
        assert run["status"] in ENDED
        assert recovered.records[damage] == 200
        assert disagreements(folder) == []


def test_run_that_is_not_damaged_is_interrupted(recovered: Recovered) -> None:
    assert recovered.listed[recovered.folders["none"].name]["status"] == "interrupted"


@pytest.mark.parametrize(
    "damage", ["a torn last line", "a last line cut off", "a last line of zeros", "zeros after the last line"]
)
def test_line_that_a_crash_tore_does_not_damage_a_run(recovered: Recovered, damage: str) -> None:
    assert recovered.listed[recovered.folders[damage].name]["status"] == "interrupted"


def test_nothing_outside_is_touched(recovered: Recovered) -> None:
    assert (recovered.home.folder / "outside").read_bytes() == OUTSIDE
    assert {path.name for path in recovered.home.folder.iterdir()} == {"modules.yaml", "outside", "runs"}
