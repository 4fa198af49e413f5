"""The Python in docs/notebooks.md, run as it stands there over runs of the stubs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from local_service import ROOT, environment
from recorded_run import run, scenario

pytestmark = pytest.mark.slow


def test_python_of_the_document_on_notebooks_runs(tmp_path: Path) -> None:
    for rate in (0.18, 0.2):
        run(tmp_path, scenario(policy_parameters={"vat_rate": rate}))
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/notebooks.md").read_text(), re.DOTALL)
    typed = [sys.executable, "-W", "error", "-c", "".join(blocks)]
    ran = subprocess.run(typed, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert (len(blocks), ran.returncode, ran.stderr) == (5, 0, "")
