"""`ops keys add`, `list` and `revoke`, as an operator runs them."""

import json
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from command_line import on_terminal, ops
from local_service import command, environment

from ops_orchestrator.service.access.keys_file import read_keys

USUAL = Path("api-keys/keys.json")


def made(home: Path, *words: str) -> dict[str, Any]:
    ran = ops(home, "keys", "add", *words)
    assert ran.returncode == 0, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def test_key_is_shown_once_and_kept_as_a_hash_that_only_its_owner_can_read(tmp_path: Path) -> None:
    added = made(tmp_path, "anna", "--scope", "run", "--expires", "90d")
    secret = added["token"].split("_", 2)[2]
    kept = (tmp_path / USUAL).read_text()
    assert len(secret) >= 22
    assert secret not in kept
    assert stat.S_IMODE((tmp_path / USUAL).stat().st_mode) == 0o600
    (key,) = json.loads(ops(tmp_path, "keys", "list").stdout)["keys"]
    assert key == {name: value for name, value in added.items() if name != "token"}


def test_list_on_a_terminal_says_what_each_key_may_do_and_until_when(tmp_path: Path) -> None:
    made(tmp_path, "anna", "--scope", "run")
    file = tmp_path / USUAL
    entry = json.loads(file.read_text())
    entry["keys"][0]["expires_at"] = "2026-01-09T12:34:56Z"
    file.write_text(json.dumps(entry))
    _, screen = on_terminal(tmp_path, "keys", "list")
    assert "2026-01-09 12:34 UTC, expired" in screen


def test_revoked_key_is_gone_and_one_that_is_meant_is_named(tmp_path: Path) -> None:
    made(tmp_path, "anna", "--scope", "read")
    made(tmp_path, "ci", "--scope", "run")
    assert "did you mean 'anna'?" in ops(tmp_path, "keys", "revoke", "ana").stderr
    assert ops(tmp_path, "keys", "revoke", "anna").returncode == 0
    assert [key.name for key in read_keys(tmp_path / USUAL)] == ["ci"]


@pytest.mark.slow
def test_keys_that_are_added_at_once_are_all_kept(tmp_path: Path) -> None:
    def add(name: str) -> int:
        words = (command("ops"), "keys", "add", name, "--scope", "read")
        return subprocess.run(words, cwd=tmp_path, env=environment(), check=False, capture_output=True).returncode

    names = [f"key-{number}" for number in range(4)]
    with ThreadPoolExecutor() as pool:
        assert [*pool.map(add, names)] == [0] * 4
    assert {key.name for key in read_keys(tmp_path / USUAL)} == {*names}
    assert [path.name for path in (tmp_path / "api-keys").iterdir()] == ["keys.json"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("keys", "add", "a b", "--scope", "read"), "the name of a key has 1 to 64 letters"),
        (("keys", "add", "anna", "--scope", "read"), "has a key of anna already"),
        (("keys", "add", "bob", "--scope", "read", "--expires", "soon"), "--expires must be a number of hours"),
        (("keys", "add", "bob", "--scope", "all"), "--scope"),
        (("keys", "list", "--file", "nowhere.json"), "make the first key with `ops keys add`"),
        (("keys", "add", "bob", "--scope", "read", "--file", "api-keys"), "cannot read api-keys: Is a directory"),
    ],
)
def test_what_cannot_be_done_is_refused_with_what_to_do(tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    made(tmp_path, "anna", "--scope", "read")
    ran = ops(tmp_path, *words)
    assert (ran.returncode, message in ran.stderr) == (2, True), ran.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not a file of keys"),
        ('{"format": 2, "keys": []}', "/format"),
        ('{"format": 1, "keys": [{"id": "x"}]}', "/keys/0"),
        ("[" * 100_000, "is not a file of keys"),
        (" " * 2_000_000, "has more than 1048576 bytes"),
    ],
)
def test_file_that_holds_no_keys_is_refused_and_kept(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "keys.json"
    file.write_text(content)
    for words in (("list",), ("add", "anna", "--scope", "read"), ("revoke", "anna")):
        ran = ops(tmp_path, "keys", *words, "--file", "keys.json")
        assert (ran.returncode, message in ran.stderr) == (2, True), ran.stderr
    assert file.read_text() == content


def test_secret_that_stands_in_the_place_of_its_hash_is_not_repeated(tmp_path: Path) -> None:
    token = made(tmp_path, "anna", "--scope", "read")["token"]
    entry = json.loads((tmp_path / USUAL).read_text())
    entry["keys"][0]["hash"] = token
    (tmp_path / USUAL).write_text(json.dumps(entry))
    ran = ops(tmp_path, "keys", "list")
    assert "/keys/0/hash is not a hash" in ran.stderr
    assert token not in ran.stderr
