"""The packages as whoever installs them gets them: wheels, and environments that have nothing of this repository."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from local_service import ROOT, environment

UV: Final = shutil.which("uv") or str(ROOT / ".uv/bin/uv")


def build_wheels(folder: Path) -> Path:
    """Build the wheel of each package into `folder`; returns it."""
    subprocess.run([UV, "build", "--all-packages", "--wheel", "--out-dir", str(folder), "--quiet"], cwd=ROOT, check=True)
    return folder


@dataclass(frozen=True)
class Installation:
    """A virtual environment, and the folder of the wheels that it was made from."""

    folder: Path
    wheels: Path

    def run(self, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run one of its commands, or Python."""
        line = [str(self.folder / "bin" / words[0]), *words[1:]]
        return subprocess.run(line, cwd=cwd, env=environment(), capture_output=True, text=True, check=False)

    def pip(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `pip install WORDS` in it, with the wheels in the place of published packages."""
        line = [UV, "pip", "install", "--quiet", "--python", str(self.folder), "--find-links", str(self.wheels), *words]
        return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
