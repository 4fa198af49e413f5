"""`ops runs export` and `ops runs import`, and commands that read a run in a zip file."""

import json
import os
import shutil
import subprocess
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import recorded_run
from command_line import on_terminal, ops
from local_service import command, environment
from run_records import contents, leave
from system_calls import FLUSHES, killed_at, on_disk, read_calls, strace

from ops_orchestrator.cli.opened_run import opened_run
from ops_orchestrator.errors import ConfigurationError
from ops_orchestrator.runs.store.folder import FolderStore

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Home:
    """A folder with a store of two runs, and a zip file of both."""

    folder: Path
    first: str
    last: str

    @property
    def archive(self) -> Path:
        return self.folder / "both.zip"

    def run(self, run_id: str) -> Path:
        return self.folder / "runs" / run_id

    def export(self, *words: str) -> CompletedProcess[str]:
        return ops(self.folder, "runs", "export", *words)


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Home:
    folder = tmp_path_factory.mktemp("home")
    first, last = sorted(recorded_run.run(folder, recorded_run.scenario(["data-layer"])).name for _ in range(2))
    home = Home(folder, first, last)
    assert home.export(first, last, "--to", "both.zip").returncode == 0
    return home


@pytest.fixture
def home(tmp_path: Path, exported: Home) -> Home:
    """The folder, to be changed."""
    shutil.copytree(exported.folder, tmp_path / "home")
    return replace(exported, folder=tmp_path / "home")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """Another folder, without a store."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder


def test_runs_are_exported_and_imported_elsewhere(home: Home, elsewhere: Path) -> None:
    ran = home.export(home.last, home.first, home.first, "--to", "again.zip")
    size = home.archive.stat().st_size
    assert json.loads(ran.stdout) == {"file": "again.zip", "bytes": size, "runs": [home.first, home.last]}
    imported = ops(elsewhere, "runs", "import", str(home.folder / "again.zip"))
    assert (imported.returncode, imported.stderr) == (0, "")
    assert outcomes(imported) == [(home.first, "imported"), (home.last, "imported")]
    assert contents(elsewhere / "runs" / home.last) == contents(home.run(home.last))
    listed = json.loads(ops(elsewhere, "runs", "list").stdout)
    assert {run["run_id"] for run in listed} == {home.last, home.first}
    assert json.loads(ops(elsewhere, "runs", "show", home.last).stdout)["run_id"] == home.last


def test_terminal_says_what_was_done_and_what_to_do_next(home: Home, elsewhere: Path) -> None:
    code, screen = on_terminal(home.folder, "runs", "export", home.last, "--to", "one.zip")
    assert (code, "Wrote one.zip: 1 run, " in screen, "`ops runs import one.zip`" in screen) == (0, True, True)
    code, screen = on_terminal(elsewhere, "runs", "import", "../home/one.zip", "../home/both.zip")
    assert code == 0
    assert screen.split()[:6] == [home.last, "imported", home.first, "imported", home.last, "already"]
    assert "runs: 2 imported, 1 already there. `ops runs show RUN` shows one." in screen


def test_file_that_is_there_is_replaced_only_by_force(home: Home) -> None:
    before = home.archive.read_bytes()
    refused = home.export(home.last, "--to", "both.zip")
    assert (refused.returncode, home.archive.read_bytes()) == (2, before)
    assert refused.stderr == "ops: both.zip is there already; add --force to replace it, or choose another name\n"
    assert home.export(home.last, "--to", "both.zip", "--force").returncode == 0
    assert home.archive.read_bytes() != before


def test_zip_file_goes_to_standard_output_but_not_to_a_terminal(exported: Home) -> None:
    words = [command("ops"), "runs", "export", exported.first, exported.last, "--to", "-"]
    piped = subprocess.run(words, cwd=exported.folder, env=environment(), capture_output=True, check=True)
    assert piped.stdout == exported.archive.read_bytes()
    assert on_terminal(exported.folder, "runs", "export", "latest", "--to", "-")[0] == 2


def test_damaged_run_is_exported_only_when_that_is_wanted(home: Home, elsewhere: Path) -> None:
    (home.run(home.last) / "results.json").write_text("{}")
    refused = home.export(home.last, "--to", "a.zip")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert f"{home.last} is not intact: results.json: expected " in refused.stderr
    assert not list(home.folder.glob("*a.zip*")) + list(home.folder.glob(".*.part"))
    assert home.export(home.last, "--to", "a.zip", "--damaged").returncode == 0
    assert outcomes(ops(elsewhere, "runs", "import", "../home/a.zip")) == [(home.last, "refused")]
    taken = ops(elsewhere, "runs", "import", "../home/a.zip", "--damaged")
    (row,) = json.loads(taken.stdout)
    assert (taken.returncode, row["outcome"], row["reason"][:22]) == (0, "imported", "results.json: expected")


def test_run_that_was_taken_although_it_is_damaged_is_told_from_others(home: Home, elsewhere: Path) -> None:
    (home.run(home.last) / "results.json").write_bytes((home.run(home.last) / "results.json").read_bytes() + b" ")
    home.export(home.first, home.last, "--to", "a.zip", "--damaged")
    ops(elsewhere, "runs", "import", "../home/a.zip", "--damaged")
    sentence = f"{home.last} was not intact when it was imported: results.json: expected "
    assert sentence in ops(elsewhere, "runs", "show", home.last).stderr
    assert ops(elsewhere, "runs", "show", home.first).stderr == ""
    (note,) = json.loads(ops(elsewhere, "runs", "diff", home.first, home.last).stdout)["notes"]
    assert note.startswith(f"B: {sentence}")
    cited = [ops(elsewhere, "runs", "cite", run).stdout for run in (home.first, home.last)]
    assert ["The copy of the run was not intact when it was imported." in text for text in cited] == [False, True]


def test_run_under_way_is_not_exported(home: Home) -> None:
    leave(home.run(home.last))
    refused = home.export(home.last, "--to", "a.zip")
    assert (refused.returncode, "only a run that is over can be put into an archive" in refused.stderr) == (2, True)
    assert not (home.folder / "a.zip").exists()


def test_two_runs_with_one_id_do_not_go_into_one_archive(home: Home, tmp_path: Path) -> None:
    other = recorded_run.copy(home.run(home.last), tmp_path)
    refused = home.export(home.last, str(other), "--to", "a.zip")
    assert (refused.returncode, "have the same id" in refused.stderr) == (2, True)


def test_refused_file_does_not_keep_the_others_out(home: Home, elsewhere: Path) -> None:
    (home.folder / "bad.zip").write_bytes(home.archive.read_bytes()[:-1])
    imported = ops(elsewhere, "runs", "import", "../home/bad.zip", "../home/both.zip")
    assert imported.returncode == 1
    assert outcomes(imported) == [(None, "refused"), (home.first, "imported"), (home.last, "imported")]


def test_file_that_is_not_there_is_named_before_anything_is_imported(exported: Home, elsewhere: Path) -> None:
    refused = ops(elsewhere, "runs", "import", str(exported.archive), "none.zip")
    assert (refused.returncode, refused.stderr) == (2, "ops: there is no file none.zip\n")
    assert not (elsewhere / "runs").exists()


def test_archive_that_unpacks_to_more_than_is_allowed_is_refused(exported: Home, elsewhere: Path) -> None:
    refused = ops(elsewhere, "runs", "import", str(exported.archive), OPS_MAX_IMPORT_BYTES="1000")
    assert (refused.returncode, "OPS_MAX_IMPORT_BYTES" in refused.stdout) == (1, True)


@pytest.mark.parametrize(("call", "number", "at_start"), [("write", 3, False), ("write", 15, True), ("rename", 2, True)])
def test_killed_import_leaves_nothing_after_the_next_start_or_import(
    exported: Home, elsewhere: Path, call: str, number: int, at_start: bool
) -> None:
    killed_import(exported, elsewhere, call, number)
    runs = elsewhere / "runs"
    assert len([*runs.glob(".new-*")]) == 1
    if at_start:
        with closing(FolderStore.open(runs)) as store:
            store.left()
            assert [*runs.glob(".new-*")] == []
            assert {run.run_id for run in store.page(10).runs} == {path.name for path in runs.glob("run_*")}
    assert ops(elsewhere, "runs", "import", str(exported.archive)).returncode == 0
    assert contents(runs / exported.last) == contents(exported.run(exported.last))
    assert [*runs.glob(".new-*")] == []


def test_what_a_killed_import_left_is_gone_after_the_import_of_another_run(exported: Home, elsewhere: Path) -> None:
    killed_import(exported, elsewhere, "write", 3)
    exported.export(exported.last, "--to", str(elsewhere / "last.zip"))
    assert ops(elsewhere, "runs", "import", "last.zip").returncode == 0
    assert [path.name for path in (elsewhere / "runs").glob("*run_*")] == [exported.last]


@pytest.mark.parametrize("method", ["syncfs", "fsync"])
def test_imported_run_is_on_disk_before_it_is_put_into_place_and_its_entry_before_the_end(
    exported: Home, elsewhere: Path, method: str
) -> None:
    runs = elsewhere / "runs"
    words = (*strace(elsewhere / "trace"), command("ops"), "runs", "import", str(exported.archive))
    variables = environment(OPS_RUNS_DIR=str(runs), OPS_SYNC=method)
    with subprocess.Popen(words, cwd=elsewhere, env=variables, stdout=subprocess.DEVNULL) as process:
        process.wait()
    calls = read_calls(elsewhere / "trace", process.pid)
    hidden, place = runs / f".new-{exported.last}" / exported.last, runs / exported.last
    (moved,) = [call for call in calls if call.text == (str(hidden), str(place))]
    then = on_disk(calls, moved.began)
    assert {str(hidden / path.relative_to(place)) for path in place.rglob("*")} <= then.keys()
    assert [path for path, found in then.items() if path.startswith(f"{hidden}/") and found.flushed is None] == []
    flushes = [call for call in calls if call.name in FLUSHES and call.began > moved.returned]
    assert flushes[0].name == "syncfs" or str(runs) in [call.path for call in flushes]


def test_full_disk_leaves_no_half_imported_run_and_no_half_written_file(home: Home, elsewhere: Path) -> None:
    (home.run(home.last) / "artifacts" / "large").write_bytes(os.urandom(2 * 1024 * 1024))
    assert home.export(home.last, "--to", "a.zip", "--damaged").returncode == 0
    before = set(home.folder.iterdir())
    imported = in_little_room(elsewhere, "import", "../home/a.zip", "--damaged")
    exported = in_little_room(home.folder, "export", home.last, "--to", "b.zip", "--damaged")
    assert (imported.returncode, "File too large" in imported.stdout) == (1, True)
    assert (exported.returncode, "File too large" in exported.stderr) == (2, True)
    assert [path.name for path in (elsewhere / "runs").iterdir() if "run_" in path.name] == []
    assert set(home.folder.iterdir()) == before


@pytest.mark.parametrize("name", ["both.zip:{}", "./both.zip:{}", "{}.ZIP"])
def test_run_in_a_zip_file_can_be_read(home: Home, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    home.export(home.last, "--to", f"{home.last}.ZIP")
    monkeypatch.chdir(home.folder)
    with opened_run(name.format(home.last)) as run:
        assert contents(run.location) == contents(home.run(home.last))
    assert not run.location.exists()


def test_run_in_a_zip_file_is_verified_there(home: Home) -> None:
    intact = ops(home.folder, "runs", "verify", f"both.zip:{home.first}")
    assert (intact.returncode, intact.stderr) == (0, "")
    (home.run(home.first) / "results.json").write_text("{}")
    home.export(home.first, "--to", "damaged.zip", "--damaged")
    assert ops(home.folder, "runs", "verify", "damaged.zip").returncode == 1
    (home.folder / "cut.zip").write_bytes(home.archive.read_bytes()[:-1])
    cut = ops(home.folder, "runs", "verify", "cut.zip")
    assert (cut.returncode, cut.stderr) == (1, "ops: cut.zip is not a zip file, or the end of it is missing\n")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("both.zip", "both.zip holds 2 runs; write both.zip:RUN for one of them, such as run_"),
        ("both.zip:run_1999", "both.zip holds 0 runs that begin with 'run_1999'"),
        ("none.zip", "cannot read none.zip: No such file or directory"),
    ],
)
def test_zip_file_that_does_not_name_one_run_is_refused(
    exported: Home, monkeypatch: pytest.MonkeyPatch, name: str, reason: str
) -> None:
    monkeypatch.chdir(exported.folder)
    with pytest.raises(ConfigurationError) as refused, opened_run(name):
        pass
    assert str(refused.value).startswith(reason)


def killed_import(exported: Home, elsewhere: Path, call: str, number: int) -> None:
    """Begin to import both runs, and die at a system call while the first is taken, or its folder is moved."""
    words = (*killed_at(call, number), command("ops"), "runs", "import", str(exported.archive))
    subprocess.run(words, cwd=elsewhere, env=environment(), capture_output=True, check=False)


def outcomes(imported: CompletedProcess[str]) -> list[tuple[str | None, str]]:
    return [(row["run_id"], row["outcome"]) for row in json.loads(imported.stdout)]


def in_little_room(folder: Path, *words: str) -> CompletedProcess[str]:
    """Run `ops runs` where no file can have more than 256 KiB: it is refused as on a full disk, and needs none of its own."""
    limited = ("sh", "-c", 'ulimit -f 512; exec "$0" "$@"', command("ops"), "runs", *words)
    return subprocess.run(limited, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
