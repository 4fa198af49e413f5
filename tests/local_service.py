"""Services of this project as local processes, as a user without Docker starts them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Final

ROOT: Final = Path(__file__).parents[1]
MODULES: Final = ("data-layer", "policy-simulator", "supplychain-risk", "dr-anticorruption", "strategy-agent", "monitor")


def command(name: str) -> str:
    """A command of the environment that runs the tests; one that it does not have is the system's."""
    ours = Path(sys.executable).with_name(name)
    return str(ours) if ours.exists() else shutil.which(name) or name


def environment(**variables: str) -> dict[str, str]:
    """The environment of a user who has set `variables` and nothing else of ours."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OPS_") and not name.endswith("_URL")}
    return {**inherited, **variables}


@contextmanager
def service(folder: Path, *words: str, **variables: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A service started in `folder` and the address it says it listens on; killed at the end when it still runs."""
    with subprocess.Popen(
        [command(words[0]), *words[1:]],
        cwd=folder,
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            found = _address(process)
            # What it says from now on nobody reads, and a full pipe would stop it.
            Thread(target=process.stdout.read, daemon=True).start()  # type: ignore[union-attr]  # piped above
            yield process, found
        finally:
            process.kill()


def stub_addresses(stubs: str) -> dict[str, str]:
    """What modules.yaml takes from the environment, for stubs that are served together at `stubs`."""
    return {f"{name.upper().replace('-', '_')}_URL": f"{stubs}/{name}" for name in (*MODULES, "legacy")}


def _address(process: subprocess.Popen[str]) -> str:
    said = []
    for line in process.stdout or ():
        said.append(line)
        if "http://" in line:
            return "http://" + line.partition("http://")[2].split('"')[0].split()[0]
    raise AssertionError(f"{process.args!r} ended: {''.join(said)}")
