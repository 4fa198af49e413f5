"""Bills of materials: valid by the published schema, complete by the lock, and the same each time."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from bill_of_materials import wrong_in
from local_service import ROOT

pytestmark = pytest.mark.slow

EPOCH: Final = "1767962096"


def written(folder: Path, *images: str) -> dict[str, Any]:
    words = [sys.executable, str(ROOT / "release/sbom.py"), str(folder), *images]
    subprocess.run(words, env=os.environ | {"SOURCE_DATE_EPOCH": EPOCH}, capture_output=True, check=True)
    return {path.name: json.loads(path.read_bytes()) for path in folder.iterdir()}


@pytest.fixture(scope="module")
def bills(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return written(tmp_path_factory.mktemp("bills"))


def bill_of(bills: dict[str, Any], package: str) -> Any:
    (found,) = (bill for name, bill in bills.items() if name.startswith(f"openpolicystack_{package}-"))
    return found


@pytest.mark.parametrize("package", ["contract", "harness", "orchestrator", "stubs"])
def test_bill_of_a_package_is_valid_and_says_purl_and_licence_of_everything(bills: dict[str, Any], package: str) -> None:
    bill = bill_of(bills, package)
    assert wrong_in(bill) == []
    assert bill["metadata"]["component"]["name"] == f"openpolicystack-{package}"
    assert bill["metadata"]["timestamp"] == "2026-01-09T12:34:56+00:00"
    assert [part["name"] for part in bill["components"] if not (part["purl"] and part["licenses"])] == []
    references = {part["bom-ref"] for part in (bill["metadata"]["component"], *bill["components"])}
    assert {entry["ref"] for entry in bill["dependencies"]} <= references


def test_bill_names_each_package_that_the_project_names_itself(bills: dict[str, Any]) -> None:
    text = (ROOT / "orchestrator/pyproject.toml").read_text().partition("[project.scripts]")[0]
    named = set(re.findall(r'^    "([a-z0-9-]+)', text.partition("dependencies = [")[2], re.MULTILINE))
    assert "uvicorn" in named
    assert named <= {part["name"] for part in bill_of(bills, "orchestrator")["components"]}


def test_bill_is_the_same_whenever_it_is_written(bills: dict[str, Any], tmp_path: Path) -> None:
    assert written(tmp_path) == bills


def test_image_that_is_not_there_ends_with_what_to_do(tmp_path: Path) -> None:
    words = [sys.executable, str(ROOT / "release/sbom.py"), str(tmp_path), "openpolicystack-none:at-all"]
    ran = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert "Traceback" not in ran.stderr
