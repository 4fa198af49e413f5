"""The Python of the harness's README, as the tests of another repository."""

import re
from pathlib import Path

import pytest
from local_service import ROOT
from team_repository import TeamRepository

pytestmark = pytest.mark.slow

README = (ROOT / "harness/README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
A_SERVICE = """
from contextlib import contextmanager
from local_service import service
from pathlib import Path

@contextmanager
def my_service_on_a_free_port():
    with service(Path.cwd(), "ops-stubs", "serve", "policy-simulator", "--port", "0") as (_, url):
        yield url
"""


def test_examples_of_the_readme_pass(tmp_path: Path) -> None:
    example, answers, conftest, assertions = BLOCKS
    repository = TeamRepository(tmp_path, {"PYTHONPATH": str(ROOT / "tests")})
    repository.write({"test_example.py": f"{assertions}\n{example}\n{answers}", "conftest.py": f"{A_SERVICE}\n{conftest}"})
    ran = repository.test()
    assert "4 passed" in ran.stdout, ran.stdout
