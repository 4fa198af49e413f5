"""A service as a local process that ends with the test session."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import IO, Final

from ops_harness.errors import HarnessError

GUARD: Final = Path(__file__).with_name("guard.py")
_ADDRESS: Final = re.compile(rb"https?://[^\s\"]+")
_LAST_LINES: Final = 20
_LAST_BYTES: Final = 256 * 1024
_LONGEST_LINE: Final = 500


@contextmanager
def served(log: Path, *command: str, folder: Path, variables: Mapping[str, str] | None = None) -> Iterator[str]:
    """Start the Python module COMMAND in `folder`; gives the address that it says it listens on.

    What it prints is kept in `log`. Raises HarnessError when it ends without an address.
    """
    # Python's -I leaves the guard alone with its own few imports.
    words = [sys.executable, "-I", "-S", str(GUARD), "run", sys.executable, "-m", *command]
    with subprocess.Popen(  # noqa: S603  # our own commands
        words,
        cwd=folder,
        env=environment(variables or {}),
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
            address = addresses.get()
            if address is None:
                raise HarnessError(f"{' '.join(command)} ended before it listened:\n{last_lines(log)}")
            yield address
        finally:
            assert guard.stdin is not None  # noqa: S101  # for the type checker
            guard.stdin.close()
            guard.wait()
            reader.join()


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
