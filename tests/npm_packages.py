"""Packages from npm, as tests need them: what a package-lock.json names, installed once for each lock."""

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final, NoReturn

import pytest

_BUILD: Final = Path(__file__).parents[1] / "build"


def npm_packages(folder: Path) -> Path:
    """The node_modules with what the lock in `folder` names; skips the test where npm cannot provide it, unless in CI."""
    if shutil.which("npm") is None:
        _cannot(f"npm is missing; install it to use the packages that {folder.name} names (see .ci/install)")
    lock = (folder / "package-lock.json").read_bytes()
    installed = _BUILD / f"npm-{folder.name}-{hashlib.sha256(lock).hexdigest()[:12]}"
    installed.mkdir(parents=True, exist_ok=True)
    complete = installed / "complete"
    # Another process of the same test run may want them at the same time.
    with (installed / "lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not complete.exists():
            for name in ("package.json", "package-lock.json"):
                shutil.copy(folder / name, installed)
            words = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            done = subprocess.run(words, cwd=installed, capture_output=True, text=True, check=False)
            if done.returncode:
                _cannot(f"npm could not install what {folder.name} names: {done.stderr.strip()[-500:]}")
            complete.touch()
    return installed / "node_modules"


def _cannot(reason: str) -> NoReturn:
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
