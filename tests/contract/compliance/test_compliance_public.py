"""The public face of the compliance kit."""

import inspect
import re
import subprocess
import sys
import typing
from pathlib import Path

import pytest

from ops_contract import compliance


def test_public_names_are_these() -> None:
    assert compliance.__all__ == [
        "Baseline",
        "BaselineError",
        "Exchange",
        "ExitCode",
        "Finding",
        "Level",
        "Profile",
        "Report",
        "ReportError",
        "Requirement",
        "Subject",
        "Verdict",
        "apply_baseline",
        "check",
        "html_report",
        "is_breach",
        "json_report",
        "junit_report",
        "load_requirements",
        "markdown_report",
        "read_baseline",
        "read_report",
        "shields_badge",
        "svg_badge",
    ]


def test_check_is_the_function_also_for_who_imported_its_module_first() -> None:
    code = "import ops_contract.compliance.check; from ops_contract.compliance import check; assert callable(check)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
    assert inspect.iscoroutinefunction(compliance.check)


@pytest.mark.parametrize("name", compliance.__all__)
def test_public_name_has_a_docstring(name: str) -> None:
    value = getattr(compliance, name)
    assert value.__doc__ or typing.get_origin(value) is typing.Literal


def run_without(missing: str, code: str) -> subprocess.CompletedProcess[str]:
    """Run `code` where a package of the extra is not installed."""
    absent = f"import sys; sys.modules[{missing!r}] = None; "
    return subprocess.run([sys.executable, "-c", absent + code], capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize("module", ["ops_contract", "ops_contract.schemas", "ops_contract.compliance"])
def test_module_can_be_imported_without_the_extra(module: str) -> None:
    ran = run_without("h11", f"import {module}")
    assert ran.returncode == 0, ran.stderr


def test_check_without_the_extra_says_what_to_install() -> None:
    ran = run_without("h11", "from ops_contract.compliance import Report, check")
    assert "ImportError: check needs h11; install openpolicystack-contract[kit]" in ran.stderr


def test_example_of_the_readme_checks_a_module(stubs: str, contract_folder: Path, tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (contract_folder / "README.md").read_text(), re.DOTALL)
    (example,) = (block for block in blocks if "ops_contract.compliance" in block)
    words = [sys.executable, "-c", example.replace("http://localhost:8080", f"{stubs}/monitor")]
    ran = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=True)
    assert ran.stdout == "COMPLIANT\n"
    assert "monitor: " in (tmp_path / "report.html").read_text()


def test_example_of_the_docstring_is_that_of_the_readme(contract_folder: Path) -> None:
    doc = inspect.getdoc(compliance) or ""
    example = "\n".join(line.removeprefix("    ") for line in doc.splitlines() if line.startswith("    "))
    assert example in (contract_folder / "README.md").read_text()
