"""Folders that a dead service left and that were damaged since: none stops the service or hides another run."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from local_service import HTTP
from reliability.folder_agreement import disagreements
from reliability.log_fold import ENDED
from reliability.service_home import STEPS, ServiceHome, module_server

from ops_contract import sha256_hex

pytestmark = pytest.mark.slow
OUTSIDE = b"nobody's business\n"
MIB = 1024 * 1024


def append_to_log(content: bytes) -> Callable[[Path], None]:
    def append(folder: Path) -> None:
        with (folder / "logs.jsonl").open("ab") as log:
            log.write(content)

    return append


def append_unknown_event(folder: Path) -> None:
    before = (folder / "logs.jsonl").read_bytes().splitlines()[-1]
    last = json.loads(before)
    line = {"seq": last["seq"] + 1, "timestamp": last["timestamp"], "run_id": folder.name, "event": "run.painted"}
    append_to_log(json.dumps(line | {"previous_sha256": sha256_hex(before)}).encode() + b"\n")(folder)


def cut_last_line(folder: Path) -> None:
    content = (folder / "logs.jsonl").read_bytes()
    (folder / "logs.jsonl").write_bytes(content[:-40])


def zero_last_line(folder: Path) -> None:
    content = (folder / "logs.jsonl").read_bytes()
    kept, last = content[:-1].rpartition(b"\n")[::2]
    (folder / "logs.jsonl").write_bytes(kept + b"\n" + bytes(len(last) + 1))


def lose_a_line(folder: Path) -> None:
    lines = (folder / "logs.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "logs.jsonl").write_bytes(b"".join(lines[:1] + lines[2:]))


def make_log_huge(folder: Path) -> None:
    os.truncate(folder / "logs.jsonl", 300 * MIB)


def change_artifact(content: bytes | None) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        artifact = folder / "artifacts/inline/figures.csv"
        artifact.unlink() if content is None else artifact.write_bytes(content)

    return change


def link(name: str) -> Callable[[Path], None]:
    """Put a link to a file outside of the store in the place of `name`, or where there is no such file."""

    def replace(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(folder.parent.parent / "outside")

    return replace


def put_pipe(name: str) -> Callable[[Path], None]:
    def replace(folder: Path) -> None:
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return replace


def rewrite(name: str, content: bytes) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return write


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink(missing_ok=True)


def become_a_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_bytes(b"no folder\n")


DAMAGE: dict[str, Callable[[Path], None]] = {
    "none": lambda _: None,
    "a torn last line": append_to_log(b'{"seq":99,"event":"step.comp'),
    "a last line cut off": cut_last_line,
    "a last line of zeros": zero_last_line,
    "zeros after the last line": append_to_log(bytes(4096)),
    "a line too few": lose_a_line,
    "a line of 300 MiB": make_log_huge,
    "a line of 100,000 levels": append_to_log(b"[" * 100_000 + b"\n"),
    "a line that is not an object": append_to_log(b"null\n"),
    "a line of an event that nobody knows": append_unknown_event,
    "a line of a step that is not in the plan": append_to_log(b'{"seq":99,"event":"step.completed","step":"../../x"}\n'),
    "an empty log": rewrite("logs.jsonl", b""),
    "no log": remove("logs.jsonl"),
    "a log that is a link": link("logs.jsonl"),
    "a log that is a pipe": put_pipe("logs.jsonl"),
    "no artifact that a line names": change_artifact(None),
    "an artifact of another size": change_artifact(b"short"),
    "an artifact of other bytes": change_artifact(b"FIGURES\n" * 500),
    "an artifact that is a link": link("artifacts/inline/figures.csv"),
    "a link that nobody named": link("artifacts/foreign"),
    "an empty record": rewrite("run.json", b""),
    "half a record": rewrite("run.json", b'{"run_id": "run_'),
    "a record of another run": rewrite("run.json", json.dumps({"run_id": "run_2026-01-09T12-34-56Z_ab12cd"}).encode()),
    "a record that is a pipe": put_pipe("run.json"),
    "no record": remove("run.json"),
    "results of nobody": rewrite("results.json", b"{}"),
    "no result of a step": remove("steps/1-inline/result.json"),
    "other result of a step": rewrite("steps/1-inline/result.json", b"{}"),
    "no modules": remove("modules.json"),
    "other modules": rewrite("modules.json", b'{"modules": {}}'),
    "a file instead of a folder": become_a_file,
}


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
