"""`.ci/run` as it stands, among commands that only write down how they were called."""

import shutil
import subprocess
from pathlib import Path

import pytest
from local_service import ROOT

STEPS = (".ci/admit", ".ci/engine", ".ci/base-image", ".ci/install")
TOOLS = ("make", "strace", "docker")


def calls(folder: Path, *, engine_answers: bool) -> list[str]:
    """The commands that `.ci/run` ran, where an engine did or did not answer beforehand."""
    (folder / ".ci").mkdir()
    shutil.copy(ROOT / ".ci/run", folder / ".ci")
    for name in (*STEPS, *TOOLS):
        code = 0 if name != "docker" or engine_answers else 1
        (folder / name).write_text(f'#!/bin/sh\necho "$0 $*" >>"{folder}/calls"\nexit {code}\n')
        (folder / name).chmod(0o755)
    subprocess.run([".ci/run"], cwd=folder, env={"PATH": f"{folder}:/usr/bin:/bin"}, check=True)
    return [line.removeprefix(f"{folder}/") for line in (folder / "calls").read_text().splitlines()]


@pytest.mark.parametrize("engine_answers", [True, False])
def test_ci_stops_the_engine_only_when_it_started_it(tmp_path: Path, engine_answers: bool) -> None:
    ran = calls(tmp_path, engine_answers=engine_answers)
    assert ".ci/engine start" in ran
    assert (".ci/engine stop" in ran) is not engine_answers
