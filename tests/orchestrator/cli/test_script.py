"""`ops runs script`. What the scripts do is tested beside what makes them."""

import ast
import subprocess
from pathlib import Path

import pytest
import recorded_run
from command_line import ops


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run, in the runs folder of its home."""
    return recorded_run.run(tmp_path_factory.mktemp("script"), recorded_run.scenario())


def test_run_is_printed_as_a_shell_script(run: Path) -> None:
    ran = ops(run.parents[1], "runs", "script", "latest")
    assert (ran.returncode, ran.stdout.splitlines()[0]) == (0, "#!/bin/sh")
    subprocess.run(["sh", "-n"], input=ran.stdout, text=True, check=True)
    assert ran.stdout.count("curl --fail-with-body") == 3


def test_run_is_printed_as_a_notebook_cell_from_its_folder_anywhere(run: Path, tmp_path: Path) -> None:
    ran = ops(tmp_path, "runs", "script", str(run), "--as", "python")
    assert ran.returncode == 0
    assert ascii(str(run / "results.json")) in ran.stdout
    ast.parse(ran.stdout)


def test_run_that_does_not_exist_is_named(run: Path) -> None:
    ran = ops(run.parents[1], "runs", "script", "run_2020-01-01T00-00-00Z_000000")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "run_2020-01-01T00-00-00Z_000000" in ran.stderr
