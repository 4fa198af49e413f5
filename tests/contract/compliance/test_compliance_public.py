"""The public face of the compliance kit."""

import inspect
import re
import subprocess
import sys
import typing
from pathlib import Path

import pytest

from ops_contract import compliance

pytestmark = pytest.mark.slow

WITHOUT_THE_EXTRA = """
import sys
sys.modules["h11"] = None
import ops_contract.schemas
from ops_contract.compliance import Report
print("imported")
from ops_contract.compliance import check
"""


def test_check_is_the_function_also_for_who_imported_its_module_first() -> None:
    code = "import ops_contract.compliance.check; from ops_contract.compliance import check; assert callable(check)"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert inspect.iscoroutinefunction(compliance.check)


def test_public_names_have_docstrings() -> None:
    values = [getattr(compliance, name) for name in compliance.__all__]
    assert [value for value in values if not value.__doc__ and typing.get_origin(value) is not typing.Literal] == []


def test_without_the_extra_all_but_the_check_can_be_imported_and_it_says_what_to_install() -> None:
    ran = subprocess.run([sys.executable, "-c", WITHOUT_THE_EXTRA], capture_output=True, text=True, check=False)
    assert ran.stdout == "imported\n", ran.stderr
    assert "ImportError: check needs h11; install openpolicystack-contract[kit]" in ran.stderr


def test_example_of_the_readme_checks_a_module(data_layer: str, contract_folder: Path, tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (contract_folder / "README.md").read_text(), re.DOTALL)
    (example,) = (block for block in blocks if "ops_contract.compliance" in block)
    words = [sys.executable, "-c", example.replace("http://localhost:8080", data_layer)]
    ran = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ran.stdout == "COMPLIANT\n"
    assert "data-layer: " in (tmp_path / "report.html").read_text()


def test_example_of_the_docstring_is_that_of_the_readme(contract_folder: Path) -> None:
    doc = inspect.getdoc(compliance) or ""
    example = "\n".join(line.removeprefix("    ") for line in doc.splitlines() if line.startswith("    "))
    assert example in (contract_folder / "README.md").read_text()
