"""The command `ops-contract init`, and what it refuses."""

import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest
from local_service import command

from ops_contract.compliance.starter import StarterError, start_module

pytestmark = pytest.mark.slow


def init(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([command("ops-contract"), "init", *words], cwd=folder, capture_output=True, text=True, check=False)


def test_init_writes_a_module_and_says_how_to_start_and_check_it(tmp_path: Path) -> None:
    ran = init(tmp_path, "--lang", "python", "my office", "--name", "tax-office")
    assert ran.returncode == 0, ran.stderr
    written = {path.name for path in (tmp_path / "my office").iterdir()}
    assert written == {"module.py", "Dockerfile", "requirements.txt", "README.md"}
    assert 'NAME = "tax-office"' in (tmp_path / "my office" / "module.py").read_text()
    for expected in ("cd 'my office'", "python module.py", "ops-contract check http://localhost:8080"):
        assert expected in ran.stdout


def test_init_writes_over_nothing_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    (tmp_path / "module.mjs").write_text("mine")
    ran = init(tmp_path, "--lang", "node", ".", "--name", "x")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "module.mjs already exists" in ran.stderr
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("module.mjs", "mine")]


@pytest.mark.parametrize(
    ("language", "folder", "name", "message"),
    [
        ("nodejs", "x", None, "did you mean 'node'"),
        ("cobol", "x", None, "choose node or python"),
        ("node", "no name", None, "'no name' cannot be a module's name; .* with --name"),
        ("node", "x", "../x", "'../x' cannot be a module's name"),
        ("node", "x", "x\n", "cannot be a module's name"),
        ("node", "/proc/x", None, "cannot write /proc/x"),
        ("python", "file", None, "file already exists"),
    ],
)
def test_module_that_cannot_be_written_is_refused_with_a_reason(
    tmp_path: Path, language: str, folder: str, name: str | None, message: str
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StarterError, match=message):
        start_module(tmp_path / folder, language, name)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_module_goes_by_the_folder_that_it_is_written_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tax-office").mkdir()
    monkeypatch.chdir(tmp_path / "tax-office")
    assert start_module(Path(), "node", None).startswith("tax-office, ")
    assert 'const NAME = "tax-office";' in Path("module.mjs").read_text()


def test_requirements_of_the_python_module_are_the_versions_that_are_tested_here(tmp_path: Path) -> None:
    start_module(tmp_path, "python", "my-module")
    lines = (tmp_path / "requirements.txt").read_text().splitlines()
    pinned = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert pinned == {name: version(name) for name in pinned}
