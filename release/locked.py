"""What uv.lock pins: the packages of the project, and what each needs, as uv exports it in CycloneDX."""

import json
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
UV: Final = shutil.which("uv") or str(ROOT / ".uv/bin/uv")
PACKAGES: Final = ("contract", "harness", "orchestrator", "stubs")
"""Folders of the packages, each published as openpolicystack-FOLDER."""


def project(package: str) -> dict[str, Any]:
    """The `[project]` table of a package."""
    found: dict[str, Any] = tomllib.loads((ROOT / package / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return found


def exported(*words: str, form: str = "cyclonedx1.5") -> str:
    """What `uv export` writes of the lock, which must be up to date."""
    line = [UV, "export", "--quiet", "--locked", "--all-extras", "--format", form, *words]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def bill_of(package: str) -> dict[str, Any]:
    """The packages that one of ours can need, with all its extras, as a CycloneDX document."""
    found: dict[str, Any] = json.loads(exported("--no-dev", "--package", f"openpolicystack-{package}"))
    return found


def third_parties(*, development: bool) -> dict[str, set[str]]:
    """Versions by name of everything that is locked and is not ours, with or without the tools of development."""
    words = ("--all-packages",) if development else ("--all-packages", "--no-dev")
    found: dict[str, set[str]] = {}
    for component in json.loads(exported(*words)).get("components", []):
        if not component["name"].startswith("openpolicystack"):
            found.setdefault(component["name"], set()).add(component["version"])
    return found
