"""The command `ops` as a person or a program runs it."""

import os
import pty
import subprocess
from pathlib import Path

from local_service import ROOT, command, environment


def ops(home: Path, *words: str, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `ops WORDS` in `home`, its output piped."""
    told = environment(**{"OPS_MODULES_FILE": str(ROOT / "modules.yaml"), **variables})
    return subprocess.run(
        [command("ops"), *words], cwd=home, env=told, input=stdin, capture_output=True, text=True, timeout=25, check=False
    )


def on_terminal(home: Path, *words: str, **variables: str) -> tuple[int, str]:
    """Run `ops WORDS` in `home` on a terminal; returns the exit code and what the terminal showed."""
    ours, theirs = pty.openpty()
    told = environment(**{"OPS_MODULES_FILE": str(ROOT / "modules.yaml"), "COLUMNS": "120", "TERM": "xterm", **variables})
    with subprocess.Popen([command("ops"), *words], cwd=home, env=told, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = rest_of(ours)
    return process.returncode, shown.decode()


def rest_of(terminal: int) -> bytes:
    """What a terminal shows until its last process is gone; it is closed then."""
    shown = b""
    try:
        while chunk := os.read(terminal, 65536):
            shown += chunk
    except OSError:
        pass  # how a terminal says that its last process is gone
    os.close(terminal)
    return shown
