"""A repository of a module team, in which pytest is run with the harness installed."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent

from local_service import environment


@dataclass(frozen=True)
class TeamRepository:
    """Its files are in `folder`; sessions have `variables` in their environment."""

    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    def write(self, files: dict[str, str]) -> None:
        """Write files by name; the text may be indented as Python in a test is."""
        for name, text in files.items():
            (self.folder / name).write_text(dedent(text), encoding="utf-8")

    def pytest(self, *words: str) -> list[str]:
        """A command line of pytest."""
        fixed = ["-p", "no:cacheprovider", "-p", "no:schemathesis", "--basetemp", str(self.folder / "tmp")]
        return [sys.executable, "-m", "pytest", "-q", *fixed, *words]

    def test(self, *words: str) -> subprocess.CompletedProcess[str]:
        """What a session of pytest came to."""
        words = tuple(self.pytest(*words))
        return subprocess.run(
            words, cwd=self.folder, env=environment(**self.variables), capture_output=True, text=True, check=False
        )
