"""`ops runs script`. What the scripts do is tested beside what makes them."""

import ast
import subprocess
from pathlib import Path

from command_line import ops


def test_run_is_printed_as_a_shell_script(example_run: Path) -> None:
    ran = ops(example_run.parents[1], "runs", "script", "latest")
    assert (ran.returncode, ran.stdout.splitlines()[0]) == (0, "#!/bin/sh")
    subprocess.run(["sh", "-n"], input=ran.stdout, text=True, check=True)
    assert ran.stdout.count("curl --fail-with-body") == 3


def test_run_is_printed_as_a_notebook_cell_from_its_folder_anywhere(example_run: Path, tmp_path: Path) -> None:
    ran = ops(tmp_path, "runs", "script", str(example_run), "--as", "python")
    assert ran.returncode == 0
    assert ascii(str(example_run / "results.json")) in ran.stdout
    ast.parse(ran.stdout)


def test_run_that_does_not_exist_is_named(example_run: Path) -> None:
    ran = ops(example_run.parents[1], "runs", "script", "run_2020-01-01T00-00-00Z_000000")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "run_2020-01-01T00-00-00Z_000000" in ran.stderr
