"""Licences of dependencies: those of today are allowed, and what is new or unclear is refused."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from local_service import ROOT

pytestmark = pytest.mark.slow


def checked(rules: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """`make licences` with other rules, in a copy of what it reads."""
    for name in ("release", "contract", "harness", "orchestrator", "stubs"):
        (folder / name).mkdir()
        for file in (*(ROOT / name).glob("*.py"), *(ROOT / name).glob("*.toml"), *(ROOT / name).glob("README.md")):
            shutil.copy(file, folder / name)
    for name in ("pyproject.toml", "uv.lock"):
        shutil.copy(ROOT / name, folder)
    if (ROOT / ".uv").exists():
        (folder / ".uv").symlink_to(ROOT / ".uv")
    (folder / "release/licences.toml").write_text(rules)
    words = [sys.executable, "release/licences.py"]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)


UVLOOP = 'uvloop = "MIT OR Apache-2.0"'
RULES = (ROOT / "release/licences.toml").read_text()


@pytest.mark.parametrize(
    ("rules", "sentence"),
    [
        (RULES.replace('    "ISC",\n', ""), "shellingham 1.5.4: ISC is not among the licences"),
        (RULES.replace('jinja2 = "BSD-3-Clause"\n', ""), "jinja2 3.1.6: its metadata names no licence"),
        (RULES.replace("[stated]\n", '[stated]\nleft-pad = "MIT"\n'), "left-pad: release/licences.toml states its licence"),
        (
            RULES.replace(UVLOOP, 'uvloop = "MIT AND GPL-3.0-only"'),
            "uvloop 0.23.0: MIT AND GPL-3.0-only",
        ),
        (RULES.replace(UVLOOP, 'uvloop = "GPL-3.0-only OR MIT"'), None),
        (RULES, None),
    ],
    ids=["not allowed", "unknown", "stale", "one of two", "a choice", "as it is"],
)
def test_licence_that_is_not_allowed_or_not_known_is_refused(rules: str, sentence: str | None, tmp_path: Path) -> None:
    ran = checked(rules, tmp_path)
    assert (ran.returncode == 0) is (sentence is None), ran.stderr
    assert (sentence or "") in ran.stderr
