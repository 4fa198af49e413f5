"""A GitHub action of this project, whose shell scripts run as GitHub's runner runs them."""

import json
import re
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from local_service import environment


@dataclass(frozen=True)
class Action:
    """The action in the file `path`."""

    path: Path

    @cached_property
    def document(self) -> dict[str, Any]:
        """Its YAML."""
        return dict(yaml.safe_load(self.path.read_text()))

    @property
    def inputs(self) -> dict[str, str]:
        """The inputs with their defaults."""
        return {name: str(one.get("default", "")) for name, one in self.document["inputs"].items()}

    def step(self, name: str) -> dict[str, Any]:
        """The step of this name."""
        (step,) = (step for step in self.document["runs"]["steps"] if step["name"] == name)
        return dict(step)

    def run(self, name: str, folder: Path, values: dict[str, str], tools: str) -> subprocess.CompletedProcess[str]:
        """Run a step's script in `folder`; `values` are those of its expressions, `tools` is where its commands are."""
        step = self.step(name)
        variables = {variable: values[expressions(value)[0]] for variable, value in step["env"].items()}
        variables |= {"GITHUB_OUTPUT": str(folder / "output"), "GITHUB_STEP_SUMMARY": str(folder / "summary")}
        variables |= {"RUNNER_TEMP": str(folder), "PATH": f"{tools}:/usr/bin:/bin"}
        file = folder / "script.sh"
        file.write_text(step["run"])
        words = ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(file)]
        return subprocess.run(words, cwd=folder, env=environment(**variables), capture_output=True, text=True, check=False)


def expressions(value: Any) -> list[str]:
    """Every expression in ${{ }} anywhere in `value`."""
    return re.findall(r"\$\{\{\s*(.+?)\s*\}\}", json.dumps(value))


def outputs_in(folder: Path) -> dict[str, str]:
    """The outputs that steps have set."""
    return dict(line.split("=", 1) for line in (folder / "output").read_text().splitlines())
