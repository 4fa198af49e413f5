"""The Python of the harness's README, as the tests of another repository."""

import os
import re
import sys
from pathlib import Path

import pytest
from local_service import ROOT
from team_repository import TeamRepository

pytestmark = pytest.mark.slow

README = (ROOT / "harness/README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
A_MODULE = """
import os

os.execvp("ops-stubs", ["ops-stubs", "serve", "policy-simulator"])
"""


def test_examples_of_the_readme_pass(tmp_path: Path) -> None:
    example, answers, conftest, assertions = BLOCKS
    repository = TeamRepository(tmp_path, {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"})
    repository.write({"test_example.py": f"{assertions}\n{example}\n{answers}", "conftest.py": conftest, "module.py": A_MODULE})
    ran = repository.test()
    assert "4 passed" in ran.stdout, ran.stdout
