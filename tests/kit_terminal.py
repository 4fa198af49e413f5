"""The command `ops-contract` on a terminal of its own."""

import os
import pty
import re
import subprocess
import termios

from command_line import rest_of
from local_service import command, environment

ERASED_LINE = "\r\x1b[K"
"""What a terminal gets before a line is written anew in its place."""


def kit_on_terminal(columns: int, *words: str, pipes: bool = False, **variables: str) -> tuple[int, str]:
    """Run `ops-contract WORDS` on a terminal so wide; returns the exit code and all that was written to it.

    With `pipes`, its standard output is piped and only its errors are on the terminal.
    """
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, columns))
    told = {name: value for name, value in environment(TERM="xterm").items() if name not in ("COLUMNS", "CI")} | variables
    stdout = subprocess.DEVNULL if pipes else theirs
    with subprocess.Popen([command("ops-contract"), *words], env=told, stdin=theirs, stdout=stdout, stderr=theirs) as process:
        os.close(theirs)
        shown = rest_of(ours).decode()
    return process.returncode, shown


def lines_left(shown: str) -> list[str]:
    """The lines that stay on the terminal, without colours."""
    kept = re.sub(rf"{re.escape(ERASED_LINE)}[^\r\n]*(?={re.escape(ERASED_LINE)})", "", shown).replace(ERASED_LINE, "")
    return re.sub(r"\x1b\[[0-9;]*m", "", kept).splitlines()
