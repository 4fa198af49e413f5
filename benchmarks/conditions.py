"""The machine, the versions and the commit that figures belong to."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from results import Conditions

_ROOT: Final = Path(__file__).parents[1]
_LIBRARIES: Final = ("uvicorn", "uvloop", "httptools", "fastapi", "pydantic", "aiohttp", "orjson")
_WRITTEN: Final = ("docs/performance.json", "docs/performance.md", "docs/images/performance.svg")


def conditions(folder: Path, window_s: float) -> Conditions:
    """What holds for figures that are measured now, with run folders below `folder`."""
    return Conditions(
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        commit=commit(),
        processor=_processor(),
        processors=len(os.sched_getaffinity(0)),
        memory_gib=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        kernel=f"{platform.system()} {platform.release().partition('-')[0]}",
        file_system=_file_system(folder),
        versions={"Python": platform.python_version(), "orchestrator": version("openpolicystack-orchestrator")}
        | {name: version(name) for name in _LIBRARIES},
        window_s=window_s,
    )


def commit() -> str:
    """The commit that is checked out, and whether files differ from it."""
    revision = _git("rev-parse", "--short=10", "HEAD")
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", *(f":!{path}" for path in _WRITTEN))
    return f"{revision} with changes" if changed else revision


def _git(*words: str) -> str:
    command = ["git", *words]
    return subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=True).stdout.strip()


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _file_system(folder: Path) -> str:
    """The type of the file system that holds the folder: of the mount with the longest matching path."""
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    holding = [(len(path), kind) for path, kind in mounts if folder.resolve().is_relative_to(path)]
    return max(holding)[1]
