"""The version stands in several files, which one command writes; the changelog gives the text of a release."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from local_service import ROOT

pytestmark = pytest.mark.slow

FILES: Final = ("CHANGELOG.md", "CITATION.cff", "Dockerfile", "pyproject.toml", "uv.lock")
DEPLOYED: Final = ("deploy/kubernetes/images/kustomization.yaml", "deploy/swarm/stack.yaml")
CHANGES: Final = """# Changelog

## Unreleased

### Added

- A thing that takes
  two lines.
- Another.

A paragraph
of two lines.

## 0.0.9 - 2025-01-01

- Old.
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of all that has the version, in a repository of its own."""
    for name in ("release", "contract", "harness", "orchestrator", "stubs"):
        (tmp_path / name).mkdir()
        for file in (*(ROOT / name).glob("*.py"), *(ROOT / name).glob("*.toml")):
            shutil.copy(file, tmp_path / name)
    for name in (*FILES, *DEPLOYED):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    if (ROOT / ".uv").exists():
        (tmp_path / ".uv").symlink_to(ROOT / ".uv")
    (tmp_path / "CHANGELOG.md").write_text(CHANGES)
    return tmp_path


def ran(tree: Path, script: str, *words: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, f"release/{script}.py", *words]
    return subprocess.run(line, cwd=tree, capture_output=True, text=True, check=False)


def test_all_files_have_one_version() -> None:
    found = ran(ROOT, "version")
    assert found.returncode == 0, found.stderr
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", found.stdout)


def test_one_command_raises_the_version_everywhere(tree: Path) -> None:
    before = ran(tree, "version").stdout.strip()
    raised = ran(tree, "version", "7.8.9", "--date", "2026-01-09")
    assert (raised.returncode, raised.stdout) == (0, "7.8.9\n"), raised.stderr
    assert "version: 7.8.9\ndate-released: 2026-01-09\n" in (tree / "CITATION.cff").read_text()
    assert 'openpolicystack-contract==7.8.9"' in (tree / "harness/pyproject.toml").read_text()
    assert f"=={before}" not in (tree / "stubs/pyproject.toml").read_text()
    assert "## Unreleased\n\n## 7.8.9 - 2026-01-09\n\n### Added" in (tree / "CHANGELOG.md").read_text()
    assert ran(tree, "changelog", "7.8.9").returncode == 0


@pytest.mark.parametrize("name", ["CITATION.cff", "Dockerfile", "harness/pyproject.toml", "uv.lock", *DEPLOYED])
def test_file_that_disagrees_is_named(tree: Path, name: str) -> None:
    version = ran(tree, "version").stdout.strip()
    text = (tree / name).read_text()
    (tree / name).write_text(
        re.sub(rf"(contract==|VERSION=|version: |newTag: |stubs:|contract\"\nversion = \"){version}", r"\g<1>9.9.9", text)
    )
    found = ran(tree, "version")
    assert found.returncode == 1
    assert f"9.9.9 in {name}\n" in found.stderr


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["1.2"], 2, "'1.2' is not a version such as 1.2.3"),
        (["0.0.9", "--date", "2026-01-09"], 1, "has a section 0.0.9 already"),
        (["1.2.3", "--date", "tomorrow"], 2, "argument --date"),
    ],
    ids=["no version", "released before", "no date"],
)
def test_version_that_cannot_be_released_is_refused(tree: Path, words: list[str], code: int, sentence: str) -> None:
    found = ran(tree, "version", *words)
    assert (found.returncode, sentence in found.stderr) == (code, True), found.stderr


def test_notes_of_a_release_are_its_section_with_a_line_for_each_paragraph(tree: Path) -> None:
    expected = "### Added\n\n- A thing that takes two lines.\n- Another.\n\nA paragraph of two lines.\n"
    assert ran(tree, "changelog").stdout == expected
    assert ran(tree, "changelog", "0.0.9").stdout == "- Old.\n"


def test_version_without_a_section_has_no_notes(tree: Path) -> None:
    found = ran(tree, "changelog", "1.2.3")
    assert (found.returncode, found.stdout) == (1, "")
    assert "says nothing about 1.2.3; it has sections for Unreleased, 0.0.9" in found.stderr
