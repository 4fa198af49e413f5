"""Modules that were written from SPEC.md alone, in other languages and with other frameworks, as processes."""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT, Popen
from threading import Thread
from typing import Final

import pytest
from local_service import environment
from npm_packages import npm_packages

from ops_harness.process import GUARD

FOLDER: Final = Path(__file__).parent / "contract" / "compliance" / "honest"
_ADDRESS: Final = re.compile(r"http://127\.0\.0\.1:[1-9][0-9]*")


@dataclass(frozen=True)
class Honest:
    """An honest module. `words` start it in FOLDER, where OPS_PORT=0 means any free port."""

    name: str
    words: tuple[str, ...]
    profiles: tuple[str, ...] = ()
    inputs: str | None = None
    """The file of inputs without which it has nothing to work with."""
    leaves_out: tuple[str, ...] = ()
    """What SPEC.md asks for with SHOULD and it does not do; its first comment says why."""

    def __str__(self) -> str:
        return f"{self.name} ({', '.join(('core', *self.profiles))})"


HONEST: Final = (
    Honest("Flask", (sys.executable, "flask_module.py"), ("artifacts", "deterministic")),
    Honest(
        "Express on Node.js",
        ("node", "express/module.js"),
        ("artifacts", "deterministic", "idempotent"),
        leaves_out=("OPS-ERR-011",),
    ),
    Honest(
        "plain PHP",
        ("php", "-S", "127.0.0.1:0", "php_module.php"),
        inputs="php_module.inputs.json",
        leaves_out=("OPS-ERR-011",),
    ),
    Honest("FastAPI with actions of its own", (sys.executable, "fastapi_module.py"), ("deterministic",)),
    Honest("Python's standard library", (sys.executable, "plain_module.py")),
)


def provided(module: Honest) -> dict[str, str]:
    """The settings with which `module` runs; skips the test where its language is missing, unless in CI."""
    program = module.words[0]
    if shutil.which(program) is None:
        assert os.environ.get("CI") != "true", f"{program} is missing, and CI must not skip its module; see .ci/install"
        pytest.skip(f"{program} is missing; install it to check the honest module that is written for it")
    packages = {"NODE_PATH": str(npm_packages(FOLDER / "express"))} if program == "node" else {}
    # PHP's own server has one process, which could not answer /health during an execute.
    return {"OPS_PORT": "0", "PHP_CLI_SERVER_WORKERS": "4", **packages}


@contextmanager
def served(words: tuple[str, ...], folder: Path, **variables: str) -> Iterator[str]:
    """The address of a module that runs in `folder`; it ends with its workers, also when this process is killed."""
    with guarded(words, folder, PIPE, **variables) as process:
        assert process.stdout is not None
        printed: list[str] = []
        for line in process.stdout:
            printed.append(line)
            if address := _ADDRESS.search(line):
                break
        else:
            raise AssertionError(f"{words} ended before it listened: {''.join(printed)}")
        # A module that nobody reads from would stop when the pipe is full.
        Thread(target=process.stdout.read, daemon=True).start()
        yield address[0]


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """As many processes that compute without a pause."""
    with ExitStack() as load:
        for _ in range(processes):
            load.enter_context(guarded((sys.executable, "-I", "-S", "-c", "while True: pass"), FOLDER, DEVNULL))
        yield


@contextmanager
def guarded(words: tuple[str, ...], folder: Path, output: int, **variables: str) -> Iterator[Popen[str]]:
    """A command that ends with all its processes when this is left, and when this process is killed."""
    guard = [sys.executable, "-I", "-S", str(GUARD), "run", *words]
    told = environment(PYTHONUNBUFFERED="1", **variables)
    with Popen(
        guard, cwd=folder, env=told, stdin=PIPE, stdout=output, stderr=STDOUT, text=True, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait()
