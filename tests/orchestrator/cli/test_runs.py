"""`ops runs list`, `prune` and `usage`, which read and change the folders of runs."""

import json
import shutil
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from command_line import on_terminal, ops
from local_service import command, environment
from run_records import make_folders, record
from system_calls import killed_at

from ops_orchestrator.runs.store.folder import FolderStore

pytestmark = pytest.mark.slow

OLD, LABELLED, NEW = (f"run_{day}T12-00-00Z_ab12cd" for day in ("2025-01-01", "2025-01-02", "2026-01-09"))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with three runs, one of them with a label."""
    for run_id, labels in ((OLD, {}), (LABELLED, {"study": "vat"}), (NEW, {})):
        at = f"{run_id[4:14]}T12:00:00Z"
        request = {"scenario_id": run_id[4:8], "inputs": {}, "run_options": {"labels": labels}}
        update = {"run_id": run_id, "request": request, "started_at": at, "finished_at": at}
        folder = tmp_path / "runs" / run_id
        folder.mkdir(parents=True)
        (folder / "run.json").write_text(record(1).model_copy(update=update).model_dump_json())
        (folder / "logs.jsonl").write_text("{}\n")
    return tmp_path


def listed(home: Path, *options: str) -> list[str]:
    return [run["run_id"] for run in json.loads(ops(home, "runs", "list", *options).stdout)]


@pytest.mark.parametrize(
    ("options", "run_ids"),
    [
        ((), [NEW, LABELLED, OLD]),
        (("--scenario-id", "2025", "--status", "completed"), [LABELLED, OLD]),
        (("--label", "study"), [LABELLED]),
        (("--label", "study=vat", "--label", "other"), []),
        (("--module", "nobody"), []),
        (("--since", "2025-01-02", "--until", "2026-01-09"), [LABELLED]),
        (("--since", "2025-01-02T12:00:00.001Z"), [NEW]),
        (("--fingerprint", "abcdef01"), []),
    ],
)
def test_runs_are_listed_that_have_what_is_asked_for(home: Path, options: tuple[str, ...], run_ids: list[str]) -> None:
    assert listed(home, *options) == run_ids


def test_list_on_a_terminal_shows_labels(home: Path) -> None:
    assert "study=vat" in on_terminal(home, "runs", "list")[1]


def test_list_without_a_run_says_so_on_a_terminal(home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert on_terminal(home, "runs", "list", "--label", "other") == (0, "No run matches.\n")
    empty = tmp_path_factory.mktemp("empty")
    (empty / "runs").mkdir()
    assert on_terminal(empty, "runs", "list")[1] == "There are no runs yet; start one with `ops run FILE`.\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--label", "=x"), "--label must be KEY or KEY=VALUE, not '=x'"),
        (("--since", "soon"), "--since must be a date or a time such as 2026-01-09 or 2026-01-09T12:34:56Z, not 'soon'"),
        (("--since", "2026-01-02", "--until", "2026-01-01"), "--until must be later than since"),
        (("--fingerprint", "abc"), "--fingerprint must be 8 to 64 hexadecimal digits, not 'abc'"),
        (("--scenario-id", "a\tb"), "--scenario-id must be text without control characters"),
    ],
)
def test_filter_that_cannot_be_used_is_named_as_an_option(home: Path, options: tuple[str, ...], message: str) -> None:
    ran = ops(home, "runs", "list", *options)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert message in ran.stderr


def test_list_of_many_new_runs_is_complete(tmp_path: Path) -> None:
    run_ids = make_folders(tmp_path / "runs", 501)
    assert listed(tmp_path, "--limit", "500") == run_ids[:500]
    assert f"ops: runs/{run_ids[0]}/results.json" in ops(tmp_path, "runs", "show", "latest").stderr


def test_log_from_elsewhere_is_printed_with_its_controls_escaped(home: Path) -> None:
    (home / "runs" / NEW / "logs.jsonl").write_text('{"message":"é\u202e"}\n')
    assert ops(home, "runs", "logs", NEW).stdout == '{"message":"é\\u202e"}\n'


def test_prune_without_yes_only_says_what_would_go(home: Path) -> None:
    ran = ops(home, "runs", "prune", "--older-than", "90d", "--json")
    found = json.loads(ran.stdout)
    assert (found["deleted"], found["runs"]) == (False, [NEW, LABELLED, OLD])
    assert found["bytes"] == sum(file.stat().st_size for file in (home / "runs").glob("run_*/*"))
    assert listed(home) == [NEW, LABELLED, OLD]


def test_prune_with_yes_deletes_old_runs_but_those_that_are_kept(home: Path) -> None:
    ran = ops(home, "runs", "prune", "--older-than", "1w", "--keep-labelled", "--keep-last", "1", "--yes")
    assert json.loads(ran.stdout)["runs"] == [OLD]
    assert listed(home) == [NEW, LABELLED]
    assert not list((home / "runs").glob(f"*{OLD}"))


def test_prune_that_is_killed_leaves_whole_runs(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for run_id in make_folders(runs, 3):
        record_file = runs / run_id / "run.json"
        record_file.write_text(record_file.read_text().replace('"finished_at":null', '"finished_at":"2026-01-09T12:00:00Z"'))
        for number in range(20):
            (runs / run_id / f"file-{number}").touch()
    words = (*killed_at("unlinkat", 30), command("ops"), "runs", "prune", "--older-than", "1h", "--rate", "10000", "--yes")
    assert subprocess.run(words, cwd=tmp_path, env=environment(), capture_output=True, check=False).returncode != 0
    with closing(FolderStore.open(runs)) as store:
        store.recover()
        assert all(len(list(folder.iterdir())) == 21 for folder in runs.glob("run_*"))
        assert len(store.page(500).runs) == len(list(runs.glob("run_*"))) == 1
    assert not list(runs.glob(".drop-*"))


def test_prune_on_a_terminal_says_how_to_go_on(home: Path) -> None:
    assert "Would delete 3 runs of" in (screen := on_terminal(home, "runs", "prune", "--older-than", "36h")[1])
    assert "add --yes to delete." in screen
    assert "Deleted 3 runs of" in on_terminal(home, "runs", "prune", "--older-than", "36h", "--yes")[1]
    assert "No run is that old." in on_terminal(home, "runs", "prune", "--older-than", "36h")[1]


def test_prune_on_a_terminal_names_the_first_runs_with_their_labels(tmp_path: Path, home: Path) -> None:
    screen = on_terminal(home, "runs", "prune", "--older-than", "36h")[1]
    _, new, labelled, *_ = (line.split() for line in screen.splitlines())
    assert new == [NEW, "completed", "2026-01-09T12:00:00Z"]
    assert labelled == [LABELLED, "completed", "2025-01-02T12:00:00Z", "study=vat"]
    many = tmp_path / "many"
    for number in range(22):
        shutil.copytree(home / "runs" / OLD, many / "runs" / f"{OLD[:-6]}{number:06x}")
    for file in many.glob("runs/*/run.json"):
        file.write_text(file.read_text().replace(OLD, file.parent.name))
    screen = on_terminal(many, "runs", "prune", "--older-than", "36h", "--yes", "--rate", "10000")[1]
    assert (screen.count(OLD[:-6]), "and 2 more; --json shows all" in screen) == (20, True)


def test_run_that_cannot_be_deleted_is_named_with_exit_code_1(home: Path) -> None:
    (home / "runs" / f".drop-{LABELLED}" / "in the way").mkdir(parents=True)
    ran = ops(home, "runs", "prune", "--older-than", "36h", "--yes")
    assert (ran.returncode, json.loads(ran.stdout)["runs"]) == (1, [NEW, OLD])
    assert ran.stderr == f"ops: cannot remove {LABELLED}: Directory not empty\n"


@pytest.mark.parametrize("age", ["90", "d", "-1d", "1.5d", "1y", "100000d"])
def test_age_that_cannot_be_used_is_answered_with_what_to_write(home: Path, age: str) -> None:
    ran = ops(home, "runs", "prune", f"--older-than={age}")
    message = f"--older-than must be a number of hours, days or weeks such as 36h, 90d or 12w, not {age!r}"
    assert (ran.returncode, ran.stdout) == (2, "")
    assert message in ran.stderr


def test_more_runs_to_keep_than_there_can_be_is_answered_with_the_most(home: Path) -> None:
    ran = ops(home, "runs", "prune", "--older-than", "0d", "--keep-last", "9" * 23)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "'--keep-last': must be less than or equal to 1000000000" in ran.stderr
    assert json.loads(ops(home, "runs", "prune", "--older-than", "0d", "--keep-last", "1000000000").stdout)["runs"] == []


def test_usage_is_told_by_status(home: Path) -> None:
    found = json.loads(ops(home, "runs", "usage").stdout)
    assert (found["total"]["runs"], list(found["by_status"])) == (3, ["completed"])
    assert (found["oldest"], found["newest"]) == ("2025-01-01T12:00:00Z", "2026-01-09T12:00:00Z")
    assert "completed" in on_terminal(home, "runs", "usage")[1]


def test_usage_of_no_runs_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    assert json.loads(ops(tmp_path, "runs", "usage").stdout)["total"] == {"runs": 0, "bytes": 0}
    assert on_terminal(tmp_path, "runs", "usage")[0] == 0
