"""`ops runs verify` and `ops keys make`, without a service."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
import recorded_run
from command_line import on_terminal, ops
from forged_run import change_json, rewrite_log
from run_records import make_folders

from ops_orchestrator.runs.signing import read_signing_key


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, to be read only."""
    return recorded_run.run(tmp_path_factory.mktemp("recorded"), recorded_run.scenario(["policy-simulator"]))


@pytest.fixture
def home(recorded: Path, tmp_path: Path) -> Path:
    """A folder with a store that has the run, to be changed."""
    (tmp_path / "runs").mkdir()
    recorded_run.copy(recorded, tmp_path / "runs")
    return tmp_path


@pytest.fixture
def folder(home: Path) -> Path:
    (run,) = (home / "runs").iterdir()
    return run


def printed(home: Path, *words: str) -> tuple[int, list[dict[str, Any]]]:
    """The exit code, and the JSON documents that were printed, one a run."""
    ran = ops(home, "runs", "verify", *words)
    decoder, text, documents = json.JSONDecoder(), ran.stdout.strip(), []
    while text:
        document, end = decoder.raw_decode(text)
        documents.append(document)
        text = text[end:].strip()
    return ran.returncode, documents


def sign(folder: Path, key: Path) -> None:
    manifest = (folder / "manifest-sha256.txt").read_bytes()
    (folder / "manifest-signature.json").write_bytes(read_signing_key(key)(manifest))


def test_run_that_is_intact_exits_0_by_its_name_and_as_a_folder_anywhere(home: Path, folder: Path) -> None:
    elsewhere = recorded_run.copy(folder, home / "elsewhere")
    code, documents = printed(home, "latest", f"./{elsewhere.relative_to(home)}")
    assert (code, [document["intact"] for document in documents]) == (0, [True, True])
    code, text = on_terminal(home, "runs", "verify", "latest")
    assert code == 0
    assert f"{folder.name} is intact: 10 files, 6 events, not signed" in text


def test_run_that_was_changed_exits_1_with_file_expected_and_found(home: Path, folder: Path) -> None:
    (folder / "artifacts/policy-simulator/kpis.json").write_text("{}")
    code, (document,) = printed(home, "latest")
    assert (code, document["intact"]) == (1, False)
    assert {finding["file"] for finding in document["findings"]} == {"artifacts/policy-simulator/kpis.json"}
    code, text = on_terminal(home, "runs", "verify", "latest", COLUMNS="200")
    assert code == 1
    assert f"{folder.name} is not intact: 1 finding, not signed" in text
    assert [word for word in text.splitlines()[2].split("  ") if word] == [
        "artifacts/policy-simulator/kpis.json",
        "1,871 bytes, as logs.jsonl and steps/1-policy-simulator/result.json say",
        "2 bytes",
    ]


def test_every_run_of_the_store_is_verified_but_those_that_are_not_over(home: Path, folder: Path) -> None:
    recorded_run.copy(folder, home / "copies").rename(home / "runs" / "run_2026-01-09T12-34-56Z_ab12cd")
    (under_way,) = make_folders(home / "runs", 1)
    recorded_run_of = home / "runs" / under_way / "run.json"
    recorded_run_of.write_text(recorded_run_of.read_text().replace('"completed"', '"running"'))
    (recorded_run_of.parent / "logs.jsonl").touch()
    code, documents = printed(home, "--all")
    assert (code, {document["run_id"]: document["intact"] for document in documents}) == (
        1,
        {folder.name: True, "run_2026-01-09T12-34-56Z_ab12cd": False},
    )
    assert ops(home, "runs", "verify", "--all").stderr == f"Left out because they are not over: {under_way}\n"
    code, text = on_terminal(home, "runs", "verify", "--all")
    assert (code, text.splitlines()[-1]) == (1, "1 of 2 runs are intact")


def test_changed_run_is_found_also_when_it_says_that_it_goes_on(home: Path, folder: Path) -> None:
    (folder / "artifacts/policy-simulator/kpis.json").write_text("{}")
    change_json(folder, "run.json", lambda record: record.update(status="running", finished_at=None))
    code, (document,) = printed(home, "--all")
    assert (code, document["run_id"]) == (1, folder.name)
    files = {finding["file"] for finding in document["findings"]}
    assert files == {"run.json", "artifacts/policy-simulator/kpis.json"}


@pytest.mark.parametrize("words", [(), ("latest", "--all")])
def test_runs_are_named_or_all_of_them_wanted(home: Path, words: tuple[str, ...]) -> None:
    ran = ops(home, "runs", "verify", *words)
    assert (ran.returncode, ran.stderr) == (2, "ops: name the runs to verify, or write --all for every run of the store\n")


def test_key_that_is_made_is_for_its_owner_and_never_replaced(home: Path) -> None:
    code, text = on_terminal(home, "keys", "make", "--to", "my key")
    assert code == 0
    assert "OPS_SIGNING_KEY='my key' ops serve" in text
    assert "ops runs verify latest --trust 'my key.pub'" in text
    assert stat.S_IMODE((home / "my key").stat().st_mode) == 0o600
    before = (home / "my key").read_bytes()
    for gone in ("my key.pub", "my key"):
        again = ops(home, "keys", "make", "--to", "my key")
        assert (again.returncode, again.stdout) == (2, "")
        assert "exists already, and a key is never replaced" in again.stderr
        assert (home / "my key").read_bytes() == before
        (home / gone).rename(home / f"{gone}.moved")
        (home / "my key").write_bytes(before)


def test_signature_of_a_trusted_key_tells_a_run_from_one_that_was_forged(home: Path, folder: Path) -> None:
    for name in ("mine", "forger"):
        assert ops(home, "keys", "make", "--to", name).returncode == 0
    assert printed(home, "latest", "--trust", "mine.pub")[0] == 1
    sign(folder, home / "mine")
    fingerprint = json.loads(ops(home, "keys", "make", "--to", "other").stdout)["fingerprint"]
    assert len(fingerprint) == 16
    assert "which nobody vouched for" in on_terminal(home, "runs", "verify", "latest")[1]
    code, text = on_terminal(home, "runs", "verify", "latest", "--trust", "mine.pub", "--trust", "other.pub")
    assert (code, "whom you trust" in text) == (0, True)
    rewrite_log(folder)
    sign(folder, home / "forger")
    assert printed(home, "latest")[0] == 0
    code, (document,) = printed(home, "latest", "--trust", "mine.pub")
    assert (code, [finding["file"] for finding in document["findings"]]) == (1, ["manifest-signature.json"])


def test_key_to_trust_that_cannot_be_used_is_a_usage_error(home: Path) -> None:
    ran = ops(home, "runs", "verify", "latest", "--trust", "nowhere")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("ops: --trust: cannot read nowhere: No such file or directory;")
