"""docs/an-afternoon.md, done as it stands there by somebody who has the published packages and nothing else."""

import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from installed_packages import UV, build_wheels
from local_service import ROOT
from tutorial import blocks_of, free_ports, reader

# One reader does all of it, with dozens of commands: on a busy machine that takes long.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

DOCUMENT: Final = (ROOT / "docs/an-afternoon.md").read_text(encoding="utf-8")
PORTS: Final = ("9000", "9100")
WRITTEN: Final = {block.file: block.text for block in blocks_of(DOCUMENT, {port: port for port in PORTS}) if block.file}
"""The files that the reader writes."""
WORKFLOW: Final = ".github/workflows/openpolicystack.yml"

# Packages come from the wheels of this repository, and what they need from uv's cache.
SHELL: Final = f"""
set -eo pipefail
pip() {{ {UV} pip "$@" --quiet --python .venv --find-links "$WHEELS"; }}
python3() {{ [ "$*" = "-m venv .venv" ]; {UV} venv --quiet --python {sys.executable} .venv; }}
says() {{ tee /dev/stderr | grep --fixed-strings "$1" >/dev/null; }}
[ ! -d .venv ] || . .venv/bin/activate
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """What the reader has at the end of the afternoon."""
    wheels, folder = tmp_path / "wheels", tmp_path / "afternoon"
    folder.mkdir()
    build_wheels(wheels)
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    with reader(folder, SHELL, WHEELS=str(wheels)) as reading:
        for block in blocks_of(DOCUMENT, ports):
            reading.do(block)
        return reading.folder


def test_everything_in_the_tutorial_comes_to_what_it_says(repository: Path) -> None:
    assert "policy-simulator" in (repository / "report.html").read_text()
    assert "· compliant" in (repository / "badge.svg").read_text()
    assert "VAT revenue" in (repository / "run.html").read_text()
    # What is committed is what was written.
    words = ["git", "diff", "--cached", "--name-only"]
    staged = subprocess.run(words, cwd=repository, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    starter = {f"policy-simulator/{name}" for name in ("Dockerfile", "README.md", "module.py", "requirements.txt")}
    assert set(staged) == {".gitignore", "badge.svg", *starter, *WRITTEN}
    given = workflow(WRITTEN[WORKFLOW])["jobs"]["openpolicystack"]["with"]
    assert (repository / given["context"] / "Dockerfile").is_file()
    assert (repository / given["scenarios"]).is_file()


def test_workflow_of_the_tutorial_gives_inputs_that_there_are() -> None:
    offered = workflow((ROOT / ".github/workflows/module.yml").read_text(encoding="utf-8"))[True]["workflow_call"]["inputs"]
    assert set(workflow(WRITTEN[WORKFLOW])["jobs"]["openpolicystack"]["with"]) <= set(offered)


def test_hook_of_the_tutorial_is_that_of_the_harness() -> None:
    assert WRITTEN[".pre-commit-config.yaml"] in (ROOT / "harness/README.md").read_text(encoding="utf-8")


def workflow(text: str) -> dict[Any, Any]:
    return dict(yaml.safe_load(text))
