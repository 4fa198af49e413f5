"""Services of this project as local processes, as a user without Docker starts them."""

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, STDOUT, Popen
from threading import Thread, current_thread, main_thread
from typing import Final

import httpx2

ROOT: Final = Path(__file__).parents[1]
MODULES: Final = ("data-layer", "policy-simulator", "supplychain-risk", "dr-anticorruption", "strategy-agent", "monitor")

# A busy machine may take its time: a test that hangs is ended by its own limit. Nothing here is reached through TLS, and to
# read the certificates for it takes longer than most requests.
# A server lets go of a connection that nobody used for 5 s: this lets go of it before, and sends nothing into one that closes.
HTTP: Final = httpx2.Client(timeout=None, verify=False, limits=httpx2.Limits(keepalive_expiry=2.0))


def command(name: str) -> str:
    """A command of the environment that runs the tests; one that it does not have is the system's."""
    ours = Path(sys.executable).with_name(name)
    return str(ours) if ours.exists() else shutil.which(name) or name


def environment(**variables: str) -> dict[str, str]:
    """The environment of a user who has set `variables` and nothing else of ours."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OPS_") and not name.endswith("_URL")}
    return {**inherited, **variables}


@contextmanager
def interruptible() -> Iterator[None]:
    """SIGINT ends the processes that are started meanwhile.

    A process inherits that SIGINT is ignored, as it is under nohup and in the background of a script, but no handler.
    Only the main thread may change it; what other threads start is not interrupted.
    """
    if current_thread() is not main_thread():
        yield
        return
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, inherited)


@contextmanager
def started(folder: Path, *words: str, stdout: int = PIPE, stderr: int = PIPE, **variables: str) -> Iterator[Popen[str]]:
    """A command under way in `folder`, which SIGINT interrupts; killed at the end when it still runs."""
    line = [command(words[0]), *words[1:]]
    with interruptible():
        process = Popen(line, cwd=folder, env=environment(**variables), stdout=stdout, stderr=stderr, text=True)
    with process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def service(folder: Path, *words: str, **variables: str) -> Iterator[tuple[Popen[str], str]]:
    """A service started in `folder` and the address it says it listens on; killed at the end when it still runs."""
    with started(folder, *words, stdout=PIPE, stderr=STDOUT, **variables) as process:
        address = address_of(process)
        # What it says from now on nobody reads, and a full pipe would stop it.
        Thread(target=process.stdout.read, daemon=True).start()  # type: ignore[union-attr]  # piped above
        yield process, address


def stub_addresses(stubs: str) -> dict[str, str]:
    """What modules.yaml takes from the environment, for stubs that are served together at `stubs`."""
    return {f"{name.upper().replace('-', '_')}_URL": f"{stubs}/{name}" for name in (*MODULES, "legacy")}


def address_of(process: Popen[str]) -> str:
    """The address that a service says it listens on; waits until it does."""
    output = []
    for line in process.stdout or ():
        output.append(line)
        if "http://" in line:
            return "http://" + line.partition("http://")[2].split('"')[0].split()[0]
    raise AssertionError(f"{process.args!r} ended: {''.join(output)}")
