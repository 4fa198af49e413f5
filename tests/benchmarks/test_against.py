"""The orchestrator of this tree beside that of a revision: both are what they are said to be, and nothing is left behind."""

import subprocess
import sys
from pathlib import Path

import pytest
from against import checked_out
from load import MeasurementError
from local_service import ROOT

pytestmark = pytest.mark.slow


def output_of(*words: str) -> str:
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def test_revision_has_an_environment_of_its_own_until_it_was_measured(tmp_path: Path) -> None:
    with checked_out("HEAD", tmp_path) as program:
        found = output_of(program.python, "-c", "import ops_orchestrator; print(ops_orchestrator.__file__)")
        assert Path(found).is_relative_to(tmp_path)
        assert program.version == output_of("git", "rev-parse", "--short=10", "HEAD")
    assert str(tmp_path) not in output_of("git", "worktree", "list")
    assert not [*tmp_path.iterdir()]


def test_unknown_revision_is_named(tmp_path: Path) -> None:
    with pytest.raises(MeasurementError, match="no-such-revision"), checked_out("no-such-revision", tmp_path):
        pass


def test_both_versions_are_measured_in_turn_and_compared() -> None:
    words = ["--callers", "2", "--rounds", "2", "--seconds", "0.1"]
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks/against.py"), "HEAD", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    row = [cell.strip() for cell in done.stdout.splitlines()[2].strip("|").split("|")]
    assert row[1:3] == [output_of("git", "rev-parse", "--short=10", "HEAD"), "2"]
    now, before, ratio = map(float, row[3:6])
    assert min(now, before, ratio) > 0
