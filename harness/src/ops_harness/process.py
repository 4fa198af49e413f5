"""A service as a local process that ends with the test session."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from shutil import which
from threading import Thread
from typing import IO, Final

from ops_harness.errors import HarnessError

GUARD: Final = Path(__file__).with_name("guard.py")
_ADDRESS: Final = re.compile(rb"https?://[^\s\"]+")
_LAST_LINES: Final = 20
_LAST_BYTES: Final = 256 * 1024
_LONGEST_LINE: Final = 500
_LONGEST_START_S: Final = 60
_PAUSE_S: Final = 0.05


@contextmanager
def served(log: Path, *command: str, folder: Path, variables: Mapping[str, str] | None = None) -> Iterator[str]:
    """Start the Python module COMMAND in `folder`; gives the address that it says it listens on.

    What it prints is kept in `log`. Raises HarnessError when it ends without an address.
    """
    with _guarded(log, sys.executable, "-m", *command, folder=folder, variables=environment(variables or {})) as started:
        address = started.addresses.get()
        if address is None:
            raise HarnessError(f"{' '.join(command)} ended before it listened:\n{last_lines(log)}")
        yield address


@contextmanager
def module_process(log: Path, *command: str) -> Iterator[str]:
    """Start COMMAND, a service of the test's own, on a free port of 127.0.0.1; gives its base URL when it listens.

    It finds the port in OPS_PORT, as a module does (OPS-CTR-001), and where one of its words holds `{port}`. What it prints
    is kept in `log`. Raises HarnessError when it ends, or does not listen on that port within a minute.
    """
    port = _free_port()
    words = [word.replace("{port}", str(port)) for word in command]
    if which(words[0]) is None:
        raise HarnessError(f"there is no command {words[0]!r}; sys.executable is the Python that runs the tests")
    variables = {**os.environ, "PYTHONUNBUFFERED": "1", "OPS_HOST": "127.0.0.1", "OPS_PORT": str(port)}
    with _guarded(log, *words, folder=Path.cwd(), variables=variables) as started:
        _wait_until_listening(port, started, " ".join(words))
        yield f"http://127.0.0.1:{port}"


@dataclass(frozen=True)
class _Started:
    """A command under way below its guard; `addresses` gets the first address that it prints, and None when it is over."""

    guard: "subprocess.Popen[bytes]"
    reader: Thread
    addresses: "SimpleQueue[str | None]"
    log: Path


@contextmanager
def _guarded(log: Path, *command: str, folder: Path, variables: Mapping[str, str]) -> Iterator[_Started]:
    """Run COMMAND until the end, or until this process is killed."""
    # Python's -I leaves the guard alone with its own few imports.
    words = [sys.executable, "-I", "-S", str(GUARD), "run", *command]
    with subprocess.Popen(  # noqa: S603  # our own commands, or the test's
        words,
        cwd=folder,
        env=dict(variables),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as guard:
        # A service that nobody reads from would stop when the pipe is full.
        addresses: SimpleQueue[str | None] = SimpleQueue()
        reader = Thread(target=_keep, args=(guard.stdout, log, addresses), daemon=True)
        reader.start()
        try:
            yield _Started(guard, reader, addresses, log)
        finally:
            assert guard.stdin is not None  # noqa: S101  # for the type checker
            guard.stdin.close()
            guard.wait()
            reader.join()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _wait_until_listening(port: int, started: _Started, command: str) -> None:
    until = time.monotonic() + _LONGEST_START_S
    while True:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        if started.guard.poll() is not None:
            started.reader.join()
            raise HarnessError(f"{command} ended before it listened on port {port}:\n{last_lines(started.log)}")
        if time.monotonic() > until:
            raise HarnessError(
                f"{command} does not listen on port {port} after {_LONGEST_START_S} s; let it take the port from OPS_PORT, "
                f"or write {{port}} where its command takes one:\n{last_lines(started.log)}"
            )
        time.sleep(_PAUSE_S)


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """The environment of this process with `variables`, and without settings of ours that were meant for another stack."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OPS_") and not name.endswith("_URL")}
    return {**inherited, "PYTHONUNBUFFERED": "1", **variables}


def last_lines(log: Path, since: int = 0) -> str:
    """The last lines of a log, from the byte `since` on; of a line that is a JSON event, what a person reads."""
    with log.open("rb") as file:
        file.seek(max(since, log.stat().st_size - _LAST_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
    return "\n".join(_readable(line)[:_LONGEST_LINE] for line in lines[-_LAST_LINES:])


def _readable(line: str) -> str:
    try:
        event = json.loads(line)
        return f"{event['timestamp']} {event['level']:<7} {event.get('run_id', '')} {event['message']}"
    except (ValueError, TypeError, KeyError):
        return line


def _keep(output: IO[bytes], log: Path, addresses: "SimpleQueue[str | None]") -> None:
    with log.open("wb", buffering=0) as file:
        is_known = False
        for line in output:
            file.write(line)
            if not is_known and (found := _ADDRESS.search(line)):
                is_known = True
                addresses.put(found[0].decode())
    if not is_known:
        addresses.put(None)
