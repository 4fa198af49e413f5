"""The notes on upgrading: their commands work on what earlier versions left, and each version has its notes."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest
from local_service import ROOT, command, environment

from ops_orchestrator.settings import Settings

NOTES: Final = (ROOT / "docs/upgrading.md").read_text()
FOLDERS: Final = sorted((ROOT / "tests/orchestrator/runs/store").glob("version_*"))


def released() -> list[str]:
    """The versions whose run folders are kept for tests."""
    return [folder.name.removeprefix("version_").replace("_", ".") for folder in FOLDERS]


def test_each_version_that_left_folders_has_notes() -> None:
    assert "0.1.0" in released()
    assert set(released()) == set(re.findall(r"^## From ([\d.]+) to [\d.]+$", NOTES, re.MULTILINE))


@pytest.mark.slow
@pytest.mark.parametrize("folder", FOLDERS, ids=released())
def test_commands_of_the_notes_work_on_the_folders_of_a_version(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "runs")
    shutil.copy(ROOT / "modules.yaml", tmp_path)
    (block,) = re.findall(r"```bash\n(.*?)```", NOTES, re.DOTALL)
    for line in block.split("\n"):
        if words := line.split():
            run = [command(words[0]), *words[1:]]
            ran = subprocess.run(run, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
            assert ran.returncode == 0, f"{line}: {ran.stdout}{ran.stderr}"


def test_settings_of_the_notes_are_settings() -> None:
    named = {name.lower() for name in re.findall(r"\bOPS_([A-Z_]+)\b", NOTES)}
    assert "max_queued_runs" in named
    assert named <= set(Settings.model_fields)
